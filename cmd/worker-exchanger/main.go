// Command worker-exchanger fulfils orders at an exchanger that runs the Premium Exchanger script.
package main

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

func main() { app.Main(programs.Exchanger()) }
