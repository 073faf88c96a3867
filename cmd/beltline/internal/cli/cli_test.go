package cli_test

import (
	"testing"

	"github.com/beltline-io/beltline/internal/app"
)

func TestRun_AMistakeLeadsToTheHelpOfItsCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"beltline --help", []string{"nonsense"}},
		{"beltline order --help", []string{"order", "nonsense"}},
		{"beltline order get --help", []string{"order", "get", "x", "--bogus"}},
		{"beltline order get --help", []string{"order", "--tenant", "acme", "get", "x", "--bogus"}},
		{"beltline order get --help", []string{"order", "--tenant=acme", "get"}},
		{"beltline fence clear --help", []string{"fence", "clear"}},
		{"beltline setup --help", []string{"setup", "--bogus"}},
	} {
		must(t, nil, app.ExitConfig, "", tt.args...).stderr.shows(t, "`"+tt.want+"` shows how it is used")
	}
}
