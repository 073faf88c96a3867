package main_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/beltline-io/beltline/cmd/beltline/internal/cli"
	"github.com/beltline-io/beltline/cmd/beltline/internal/demo"
	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/pkg/client"
	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers/balancesteam/balancesteamtest"
	"github.com/beltline-io/beltline/pkg/providers/providertest"
)

// startWithin is how long a stage may take to be ready on a loaded machine.
const startWithin = time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"beltline": cli.Main})
}

// TestScripts runs the program as people do. Scripts have more commands:
//
//	nats             a server with nothing on it
//	stage            the demonstration's stage: dispatcher, workers, fake providers
//	awaits ID STATE  waits until an order of tenant acme has been in the state;
//	                 unresolved:operator until an operator has all the evidence
//	exits N cmd…     runs a command, which must end with exit code N
//	steam-balance N  sets our balance at the fake BalanceSteam
//	steam-bought N   says how many purchases its books must hold
//	steam-fault KIND plans a fault for the next topup at the fake BalanceSteam
//	bury SUBJECT REASON ORIGIN ORDER FILE puts a dead letter into the stream
//	publish SUBJECT FILE                  publishes a file to a stream
//	books N          says how many purchases all shops' books must hold
//	closes PROVIDER REASON waits until a provider's lane is closed for a reason
//	settled          waits until neither requests nor commands wait any more
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BELTLINE_TENANT", "acme")
			env.Values["held"] = map[any]any{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"nats": startNATS(t), "stage": openStage, "awaits": awaits, "exits": exits,
			"steam-balance": steamBalance, "steam-bought": steamBought, "steam-fault": steamFault,
			"bury": bury, "publish": publish, "settled": settled, "books": books, "closes": closes,
		},
	})
}

func startNATS(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Setenv("NATS_URL", natstest.Start(t, natstest.WithListener()).URL())
	}
}

type stageKey struct{}

func openStage(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	dir, err := os.MkdirTemp("", "stage-")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	stage, err := demo.OpenStage(ctx, dir, io.Discard)
	ts.Check(err)
	ts.Defer(stage.Close)
	ts.Setenv("NATS_URL", stage.NATS())
	stages(ts)[stageKey{}] = stage
}

// stages is where a script keeps its stage.
func stages(ts *testscript.TestScript) map[any]any {
	held, ok := ts.Value("held").(map[any]any)
	if !ok {
		ts.Fatalf("the script keeps nothing")
	}
	return held
}

func stageOf(ts *testscript.TestScript) *demo.Stage {
	stage, ok := stages(ts)[stageKey{}].(*demo.Stage)
	if !ok {
		ts.Fatalf("there is no stage yet")
	}
	return stage
}

func awaits(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	c, err := client.Connect(client.Options{URL: stageOf(ts).NATS(), Tenant: "acme"})
	ts.Check(err)
	defer c.Close()
	for e, err := range c.Watch(ctx, client.Filter{ID: args[0]}) {
		if err == nil && (string(e.State) == args[1] || args[1] == "unresolved:operator" && witnessed(&e.Event)) {
			return
		}
	}
	ts.Fatalf("%s was never %s", args[0], args[1])
}

// witnessed reports whether an operator has an order with the balance after it,
// the last thing that is found out by itself.
func witnessed(e *messages.Event) bool {
	seen, _ := e.Evidence["witness"].(map[string]any)
	return e.State == messages.Unresolved && e.NeedsOperator && seen["balance_after"] != nil
}

func steamBalance(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).Steam.SetBalance(args[0])
}

func steamFault(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).Steam.Door().Faults.Once(balancesteamtest.OpTopup, providertest.Fault{Kind: providertest.FaultKind(args[0])})
}

func steamBought(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if bought := stageOf(ts).Steam.Purchases(); len(bought) != want {
		ts.Fatalf("the books of BalanceSteam hold %d purchases, not %d: %v", len(bought), want, bought)
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil && want != 0:
		ts.Fatalf("exit code 0, not %d", want)
	case err != nil && !errors.As(err, &exit):
		ts.Fatalf("did not run: %v", err)
	case err != nil && exit.ExitCode() != want:
		ts.Fatalf("exit code %d, not %d", exit.ExitCode(), want)
	}
}
