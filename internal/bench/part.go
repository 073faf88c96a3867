package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/beltline-io/beltline/internal/app"
	"github.com/beltline-io/beltline/internal/programs"
)

// partVariable makes a process one of a measurement's, and says which.
const partVariable = "BELTLINE_BENCH_PART"

// role is what a process of a measurement does.
type role string

const (
	roleServer         role = "nats-server"
	roleShop           role = "shop"
	roleDispatcher     role = "dispatcher"
	roleBalanceSteam   role = "worker-balancesteam"
	roleSkinsBack      role = "worker-skinsback"
	roleBareDispatcher role = "bare-dispatcher"
	roleBareWorker     role = "bare-worker"
	roleFloorAccept    role = "floor-dispatcher"
	roleFloorPlace     role = "floor-worker"
)

// task is all that such a process is told.
type task struct {
	Role role `json:"role"`
	// Environ holds the settings of a program of ours.
	Environ map[string]string `json:"environ,omitempty"`
	Server  serverTask        `json:"server,omitzero"`
	Bare    bareTask          `json:"bare,omitzero"`
}

// told is what a process answers once it does its work.
type told struct {
	URL string `json:"url"`
}

// Part does the part of a process that a measurement has started, and returns
// its exit code; false: this process is none. Every program that calls [Run] or
// [Profile] begins with it, because the processes are started from its own
// executable.
func Part() (code int, is bool) {
	text, is := os.LookupEnv(partVariable) //nolint:forbidigo // nothing else has been read yet
	if !is {
		return 0, false
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return fail(fmt.Errorf("%s is for processes that a measurement starts: %w", partVariable, err)), true
	}
	// A part ends with whoever started it, however that ended: its standard input
	// is open as long as the other lives.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(app.ExitOK) //nolint:forbidigo // nobody is left who waits for more
	}()
	return t.do(), true
}

func fail(err error) int {
	_, _ = fmt.Fprintln(os.Stderr, err)
	return app.ExitFailure
}

func (t task) do() int {
	switch t.Role {
	case roleDispatcher:
		return t.program(programs.Dispatcher())
	case roleBalanceSteam:
		return t.program(programs.BalanceSteam())
	case roleSkinsBack:
		return t.program(programs.SkinsBack())
	case roleServer:
		return serve(t.Server.start())
	case roleShop:
		return serve(openShop())
	case roleBareDispatcher:
		return serve(t.Bare.dispatch())
	case roleBareWorker:
		return serve(t.Bare.work())
	case roleFloorAccept:
		return serve(t.Bare.accept())
	case roleFloorPlace:
		return serve(t.Bare.place())
	}
	return fail(fmt.Errorf("there is no part %q", t.Role))
}

// serve says where it is, and stays until the process is ended from outside.
func serve(url string, err error) int {
	if err != nil {
		return fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told{url}); err != nil {
		return fail(err)
	}
	select {}
}

// program runs one of ours as its own command does, and says where its metrics are.
func (t task) program(p app.Program) int {
	run, once := p.Run, sync.Once{}
	p.Run = func(ctx context.Context, rt *app.Runtime) (err error) {
		once.Do(func() { err = json.NewEncoder(os.Stdout).Encode(told{"http://" + rt.HTTPAddr}) })
		if err != nil {
			return err
		}
		return run(ctx, rt)
	}
	proc := app.ThisProcess()
	proc.Args, proc.Environ, proc.Stdout = nil, t.Environ, io.Discard
	return p.Execute(context.Background(), proc)
}
