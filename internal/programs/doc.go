// Package programs joins the parts into the programs that run: the dispatcher
// and one worker for each provider. The mains in cmd/ and the commands that run
// everything in one process (`beltline demo`, `beltline up`) start the very
// same programs from here.
//
// It wires and decides nothing. Only cmd/ and end-to-end tests import it.
package programs
