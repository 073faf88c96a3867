package cli

import (
	"context"

	"github.com/beltline-io/beltline/cmd/beltline/internal/accounts"
	"github.com/beltline-io/beltline/internal/app"
)

// accountsCommand is `accounts`.
type accountsCommand struct {
	Dir    string   `name:"dir" placeholder:"PATH" help:"Directory of all files, of which the server's configuration includes accounts.conf; required."`
	Tenant []string `name:"tenant" placeholder:"NAME" sep:"," help:"Upstream systems that are to have an account, besides those that have one; may be repeated."`
	URL    string   `name:"url" placeholder:"URL" help:"Where the servers are, for the contexts; those of before, or nats://127.0.0.1:4222, if it is left out."`
	For    []string `name:"for" placeholder:"TARGET" sep:"," enum:"kubernetes,systemd" help:"Also the files that programs are given under kubernetes or systemd, as deploy/ hands them over; may be repeated."`
	CA     string   `name:"ca" placeholder:"PATH" help:"File with the certificate of who has signed the servers' own, for the contexts."`
}

// Help is shown below the flags.
func (*accountsCommand) Help() string {
	return "Makes an account for every role: the dispatcher, each worker, setup, the operator, each tenant, and the server's own. " +
		"The keys (seeds of nkeys, mode 0600) and a context for each program lie beside " + accounts.File + ". It needs no server.\n\n" +
		"Run it again as often as you like, and with further tenants: keys that are there stay, and nothing changes for the others. " +
		"A server takes over what has changed with `nats-server --signal reload`, given twice: it joins a new account to the others the second time. To take an account away, delete its files and run it again.\n\n" +
		"With --for, the folder of that name below the directory holds for each program what it is given there, with the paths as the program sees them: a Secret's files, or what systemd loads.\n\n" +
		"Exit codes: 0 made, 1 not made, 2 wrong usage.\n\n" +
		"Example:\n\n  beltline accounts --dir nats --tenant acme --tenant shop2 --url tls://nats.example.com:4222 --ca nats/tls/ca.pem"
}

// Check applies the rules of the command.
func (c *accountsCommand) Check(f *app.Faults) {
	if c.Dir == "" {
		f.Add("--dir", "is required: the directory of the server's configuration")
	}
}

func (c *accountsCommand) run(_ context.Context, s *session) int {
	all, err := accounts.Write(accounts.Options{Dir: c.Dir, Tenants: c.Tenant, URL: c.URL, CA: c.CA, For: c.For})
	if err != nil {
		return s.failed(err)
	}
	made := 0
	for _, r := range all {
		s.tell("# %s: %s", r.Name, r.Program)
		s.tell("NATS_CONTEXT=%s", r.Context)
		if r.Tenant != "" {
			s.tell("# or, with pkg/client: Tenant %s, InboxPrefix %s, APIPrefix %s, and in NATS the key in %s", r.Tenant, r.InboxPrefix, accounts.APIPrefix, r.Seed)
		}
		if r.Made {
			made++
		}
	}
	s.say("%d accounts, %d of them new", len(all), made)
	return app.ExitOK
}
