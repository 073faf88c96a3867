// Command worker-balancesteam fulfils orders at BalanceSteam.
package main

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

func main() { app.Main(programs.BalanceSteam()) }
