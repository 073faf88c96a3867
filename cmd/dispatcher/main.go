// Command dispatcher checks orders and hands them to the workers.
package main

import (
	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

func main() { app.Main(programs.Dispatcher()) }
