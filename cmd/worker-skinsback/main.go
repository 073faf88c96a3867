// Command worker-skinsback fulfils orders at SkinsBack.
package main

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

func main() { app.Main(programs.SkinsBack()) }
