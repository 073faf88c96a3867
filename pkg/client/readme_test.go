package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/beltline-io/beltline/pkg/messages"
)

func readme(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// blocks are the fenced blocks of a language.
func blocks(page, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// The program of the README is built as it stands there, and buys what it says
// from the fake shop of the examples.
func TestReadme_TheProgramIsBuiltAndBuys(t *testing.T) {
	t.Parallel()
	programs := blocks(readme(t), "go")
	if len(programs) != 1 {
		t.Fatalf("%d programs in Go", len(programs))
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(programs[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// An overlay lets the program stand in the module, where it finds its
	// packages, without standing in the tree.
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, "pkg", "client", "readme", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	file, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-o", program, "./pkg/client/readme")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "ord-readme succeeded 560.10 RUB\n"
	for range 2 { // the second time it is not bought again
		out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
		if err != nil || string(out) != want {
			t.Fatalf("%v\n%swant %s", err, out, want)
		}
	}
	bought := 0
	for _, p := range theStage.drop.Purchases() {
		if p.Email == "reader@example.com" {
			bought++
		}
	}
	if bought != 1 {
		t.Errorf("bought %d times", bought)
	}
}

var words = regexp.MustCompile(`'[^']*'|\S+`)

// Every line for the nats tool speaks of subjects that exist, with bodies that
// are taken.
func TestReadme_TheLinesForTheNATSToolAreWhatBeltlineUnderstands(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, block := range blocks(readme(t), "sh") {
		for line := range strings.Lines(block) {
			if !strings.HasPrefix(line, "nats ") {
				continue
			}
			line, _, _ = strings.Cut(line, "    #")
			args := words.FindAllString(line, -1)
			for i, a := range args {
				args[i] = strings.Trim(a, "'")
			}
			var err error
			switch args[1] {
			case "req":
				err = understood(args[2], []byte(args[3]))
			case "sub":
				err = exists(args[2])
			case "service":
			default:
				err = errors.New("a command that this test does not know")
			}
			seen[args[1]]++
			if err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if seen["req"] < 10 || seen["sub"] < 3 {
		t.Errorf("found %v: this is not the page", seen)
	}
}

// understood decodes a body as whoever serves the subject does.
func understood(subject string, body []byte) (err error) {
	part := strings.Split(subject, ".")
	switch {
	case len(part) == 3 && part[0] == "orders" && part[1] == "acme":
		switch messages.Request(part[2]) {
		case messages.SubmitRequest:
			_, err = messages.DecodeOrder(body)
		case messages.CancelRequest:
			_, err = messages.DecodeCancel(body)
		case messages.ConfirmRequest:
			_, err = messages.DecodeConfirm(body)
		default:
			err = errors.New("no such request")
		}
	case len(part) == 4 && strings.HasPrefix(subject, "svc.orders.acme.") && slices.Contains(messages.OrdersMethods(), part[3]):
		if part[3] == "list" {
			_, err = messages.DecodeOrdersList(body)
		} else {
			_, err = messages.DecodeOrdersAsk(body)
		}
	case len(part) == 4 && strings.HasPrefix(subject, "svc.providers."):
		_, err = messages.DecodeQuery(messages.Provider(part[2]), part[3], body)
	case len(part) == 3 && strings.HasPrefix(subject, "svc.operator."):
		switch part[2] {
		case "list":
			_, err = messages.DecodeOperatorList(body)
		case "resolve":
			_, err = messages.DecodeResolve(body)
		case "lane":
			_, err = messages.DecodeLane(body)
		default:
			_, err = messages.DecodeOperatorAsk(body)
		}
	default:
		err = errors.New("no such subject")
	}
	if err == nil && bytes.Contains(body, []byte("{{")) {
		err = errors.New("the tool takes {{ for the beginning of a template")
	}
	return err
}

// exists reports whether a filter is of subjects of the contract.
func exists(filter string) error {
	if filter == messages.DeadOrders("acme") {
		return nil
	}
	concrete := strings.Replace(filter, ".*.", ".gamesdrop.", 1)
	concrete = strings.Replace(concrete, "acme.>", "acme.ord-1.>", 1)
	concrete = strings.TrimSuffix(concrete, ">") + "succeeded"
	_, err := messages.ParseEventSubject(concrete)
	return err
}
