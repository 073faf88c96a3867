package cli

import (
	"github.com/alecthomas/kong"

	"github.com/beltline-io/beltline/internal/app"
)

// Model opens the grammar to tests.
func Model() (*kong.Application, error) { return app.Model(new(root), app.Input{Name: "beltline"}) }
