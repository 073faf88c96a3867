// Command worker-gamesdrop fulfils orders at GamesDrop.
package main

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

func main() { app.Main(programs.GamesDrop()) }
