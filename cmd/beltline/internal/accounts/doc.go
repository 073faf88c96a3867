// Package accounts makes the part of a NATS server's configuration that says
// who may do what: an account for every role, and what each of them shares with
// the others.
//
// It promises that a role gets what its program asks for and nothing else, that
// a key which was made once is never made again or shown, and that another
// tenant changes nothing for those who are there. It never connects to a server
// and never deletes a file.
//
// Who may do what stands in roles.go, as data. Only the command line of
// `beltline` imports it.
package accounts
