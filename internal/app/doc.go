// Package app is the shell that every program of Beltline runs in:
// configuration, logging, signals, the NATS connection, health and metrics.
//
// It promises that a program either starts with a configuration that has been
// checked completely, or names every fault at once and ends with code 2; that
// no secret appears in help, log or error; that the first signal drains and the
// second ends at once; and that all of it can be run inside a test or inside
// another program: nothing here reads the process environment or ends the
// process but [Main] and [ThisProcess].
//
// It never knows what the program does, and decides nothing about orders.
//
// Programs (cmd and internal/programs) import it; no part of the pipeline does.
package app
