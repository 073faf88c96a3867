package accounts_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beltline-io/beltline/pkg/messages"
)

// doorSettings open the door for callbacks of the one worker that is told them.
func doorSettings(t *testing.T) map[string]string {
	t.Helper()
	addr := "127.0.0.1:" + ports(t, 1)[0]
	return map[string]string{
		"WEBHOOK_ADDR": addr, "WEBHOOK_PUBLIC_URL": "http://" + addr, "WEBHOOK_SECRET": "secret-of-the-door-that-is-long-enough",
	}
}

// workDoor calls back as the shop does. A callback is answered 200 once its
// command is stored, which the worker's account must let it do.
func (r *rig) workDoor(n *tally) {
	c := r.upstream(acme)
	body := strings.NewReplacer(`"id":"deposit"`, `"id":"hooked"`, "76561198827262007", "76561198827262008").Replace(orders()["deposit"])
	if _, err := c.SubmitJSON(r.t.Context(), []byte(body)); err != nil {
		r.t.Fatal(err)
	}
	reference := ""
	r.await("the deposit is opened", func() bool {
		e, err := c.Get(r.t.Context(), "hooked")
		if err != nil || e.State != messages.ActionRequired {
			return false
		}
		reference = e.ProviderRef["reference"]
		return true
	})
	if err := r.skins.Pay(reference, "12.50"); err != nil {
		r.t.Fatal(err)
	}
	n.must("worker-skinsback", "store what a callback asks for", func() error {
		hook, err := r.skins.Webhook(reference)
		if err != nil {
			return err
		}
		res, err := http.Post(hook.URL, hook.ContentType, strings.NewReader(hook.Body)) //nolint:gosec,noctx // our own door
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("the callback was answered %s", res.Status)
		}
		return nil
	})
	r.await("the deposit is paid", func() bool {
		e, err := c.Get(r.t.Context(), "hooked")
		return err == nil && e.State == messages.Succeeded
	})
}

// workExpiry lets an order's time end while nothing is bought: what ends it is a
// timer of its own beside that of its next look.
func (r *rig) workExpiry(n *tally) {
	const soon = 12 * time.Second
	if _, said, err := r.beltline("operator", "provider", "pause", "balancesteam", "--by", "ada", "--reason", "a test"); err != nil {
		r.t.Fatalf("%v\n%s", err, said)
	}
	n.must("the programs", "end an order whose time is over", func() error {
		c := r.upstream(acme)
		end := fmt.Sprintf(`"expires_at":%q,"params"`, time.Now().Add(soon).UTC().Format(time.RFC3339))
		body := strings.NewReplacer(`"id":"topup"`, `"id":"late"`, `"params"`, end, "gordon", "barney").Replace(orders()["topup"])
		if _, err := c.SubmitJSON(r.t.Context(), []byte(body)); err != nil {
			return err
		}
		e, err := c.Wait(r.t.Context(), "late")
		if err == nil && e.State != messages.Expired {
			err = fmt.Errorf("it has ended as %s", e.State)
		}
		return err
	})
	n.must("operator", "let go on what was paused", func() error {
		_, said, err := r.beltline("operator", "provider", "resume", "balancesteam", "--by", "ada")
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, said)
		}
		return err
	})
}

// workForget erases what has ended, as the one role that may.
func (r *rig) workForget(n *tally) {
	export := filepath.Join(r.t.TempDir(), "forgotten.jsonl")
	n.must("forget", "run `beltline forget`", func() error {
		out, said, err := r.beltline("forget", "forget", "--older-than", "0s", "--export", export, "--by", "ada", "--yes")
		if err == nil && strings.Contains(said, "was made with deny_delete") {
			err = errors.New("the bytes stay on the disk")
		}
		if err != nil {
			return fmt.Errorf("%w\n%s%s", err, out, said)
		}
		kept, err := os.ReadFile(export)
		if err == nil && !strings.Contains(string(kept), `"gift_card"`) {
			err = fmt.Errorf("the export lacks an order that has ended: %d bytes, %s", len(kept), said)
		}
		return err
	})
	n.must(acme, "see that an order was forgotten", func() error {
		e, err := r.upstream(acme).Get(r.t.Context(), "gift_card")
		if err == nil && (!e.Forgotten() || len(e.Order) > 0 && strings.Contains(string(e.Order), "a@shop.example")) {
			err = fmt.Errorf("it is whole: %s", e.Order)
		}
		return err
	})
}
