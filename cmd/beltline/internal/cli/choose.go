package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/pkg/messages"
)

// credentials name the settings without which a provider cannot be asked.
var credentials = map[messages.Provider][]string{
	messages.BalanceSteam: {"BALANCESTEAM_API_KEY"},
	messages.SkinsBack:    {"SKINSBACK_CLIENT_ID", "SKINSBACK_CLIENT_SECRET"},
	messages.GamesDrop:    {"GAMESDROP_TOKEN"},
	messages.Exchanger:    {"EXCHANGER_URL", "EXCHANGER_API_LOGIN", "EXCHANGER_API_KEY"},
}

// ownDoor is what a program is told of its door, where it has one of its own. It
// is told so by its environment, which wins over the WEBHOOK_ADDR of a file.
func ownDoor(d app.Doors, p messages.Provider, shared map[string]string) map[string]string {
	var addr, url string
	switch p {
	case messages.SkinsBack:
		addr, url = d.SkinsBackAddr, d.SkinsBackURL
	case messages.Exchanger:
		addr, url = d.ExchangerAddr, d.ExchangerURL
	case messages.BalanceSteam, messages.GamesDrop: // never call back
	}
	own := maps.Clone(shared)
	if addr != "" {
		own["WEBHOOK_ADDR"] = addr
	}
	if url != "" {
		own["WEBHOOK_PUBLIC_URL"] = url
	}
	return own
}

// choice is which of the programs can run.
type choice struct {
	environ func(app.Program) map[string]string

	started []int         // of programs.Workers()
	without []app.Program // those that have no credentials at all
	faults  []app.Fault   // everything that is wrong with the settings of the others
	doors   map[string]string
}

// choose finds the workers that can run. Credentials of which a part is there
// are a fault: whoever gave it means the provider to be served, and its orders
// would wait for a worker that never comes.
func choose(environ func(app.Program) map[string]string) *choice {
	c := &choice{environ: environ, doors: map[string]string{}}
	if _, config := c.check(programs.Dispatcher()); config != nil {
		c.add(config.Faults...)
	}
	for i, p := range programs.Workers() {
		loaded, config := c.check(p)
		switch {
		case config == nil:
			c.started = append(c.started, i)
			c.opens(p, loaded.Effective["WEBHOOK_ADDR"])
		case lacksAll(config, credentials[p.Provider]):
			c.without = append(c.without, p)
		default:
			c.add(config.Faults...)
		}
	}
	return c
}

// check reads a program's configuration as the program itself will.
func (c *choice) check(p app.Program) (*app.Loaded, *app.ConfigError) {
	loaded, err := p.Load(app.Input{Environ: c.environ(p), Stdout: io.Discard, Stderr: io.Discard})
	var config *app.ConfigError
	if err != nil && !errors.As(err, &config) {
		config = app.Misconfigured("", "%s: %s", p.Name, err)
	}
	return loaded, config
}

// add notes faults. The programs share most settings, so most are found twice.
func (c *choice) add(faults ...app.Fault) {
	for _, f := range faults {
		known := false
		for _, k := range c.faults {
			known = known || k == f
		}
		if !known {
			c.faults = append(c.faults, f)
		}
	}
}

// opens notes where a worker receives callbacks: no two of them can at one address.
func (c *choice) opens(p app.Program, addr string) {
	if addr == "" {
		return
	}
	if other := c.doors[addr]; other != "" {
		own := strings.ToUpper(string(p.Provider)) + "_WEBHOOK_"
		c.add(app.Fault{Name: "WEBHOOK_ADDR", Text: fmt.Sprintf(
			"%s and %s cannot both listen on %s; set %sADDR and %sPUBLIC_URL, too", other, p.Name, addr, own, own)})
	}
	c.doors[addr] = p.Name
}

// lacksAll reports whether credentials are simply not there, none of them.
// Credentials that are there and cannot be read are a fault.
func lacksAll(config *app.ConfigError, names []string) bool {
	missing := 0
	for _, name := range names {
		for _, f := range config.Faults {
			if f.Name == name && strings.HasPrefix(f.Text, "is required") {
				missing++
			}
		}
	}
	return missing == len(names)
}
