// Command beltline is for people: it shows a demonstration, runs everything in
// one process, sets up streams, and submits, shows, follows and cancels orders.
// `beltline --help` says all there is to know about using it.
//
// It is the only program that links the embedded nats-server.
package main

import "github.com/beltline-io/beltline/cmd/beltline/internal/cli"

func main() { cli.Main() }
