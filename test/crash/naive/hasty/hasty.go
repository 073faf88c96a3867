// Package hasty is a worker for BalanceSteam as one would write it at first: it
// takes a command, calls the shop, writes the result and acknowledges. It writes
// no intent, so a death between call and result buys again.
//
// It is the negative control of the crash tests, which must catch it: a judge
// that does not see this one sees nothing. It must never be run against a real
// shop, and so refuses any address that is not this machine's. Only programs
// below test/crash import it.
package hasty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// atOnce is how many orders it works on at a time.
const atOnce = 16

type worker struct {
	js   jetstream.JetStream
	shop string
	key  string
	http *http.Client
}

// Run works until ctx ends, and returns when nothing is in hand any more.
func Run(ctx context.Context, nc *nats.Conn, shop, key string) error {
	u, err := url.Parse(shop)
	if err != nil || !net.ParseIP(u.Hostname()).IsLoopback() {
		return errors.New("the shop must be one on this machine")
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	w := &worker{js: js, shop: u.String(), key: key, http: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}}
	defer w.http.CloseIdleConnections()
	go w.consume(ctx, "worker-balancesteam-follow", func(context.Context, jetstream.Msg) error { return nil })
	w.consume(ctx, "worker-balancesteam-place", w.place)
	return nil
}

// consume works on a consumer's messages until ctx ends.
func (w *worker) consume(ctx context.Context, name string, handle func(context.Context, jetstream.Msg) error) {
	slots := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		c, err := w.js.Consumer(ctx, "COMMANDS", name)
		if err != nil {
			wait(ctx, 100*time.Millisecond)
			continue
		}
		for ctx.Err() == nil {
			batch, err := c.Fetch(atOnce, jetstream.FetchMaxWait(time.Second))
			if err != nil {
				wait(ctx, 100*time.Millisecond)
				break
			}
			for m := range batch.Messages() {
				slots <- struct{}{}
				go func() {
					defer func() { <-slots }()
					if err := handle(ctx, m); err != nil {
						_ = m.NakWithDelay(100 * time.Millisecond)
						return
					}
					_ = m.Ack()
				}()
			}
		}
	}
}

// place buys what a command points at: no intent, no look at what happened
// before.
func (w *worker) place(ctx context.Context, m jetstream.Msg) error {
	var command struct {
		Tenant  string `json:"tenant"`
		OrderID string `json:"order_id"`
		Seq     uint64 `json:"seq"`
	}
	if err := json.Unmarshal(m.Data(), &command); err != nil {
		return err
	}
	events, err := w.js.Stream(ctx, "EVENTS")
	if err != nil {
		return err
	}
	stored, err := events.GetMsg(ctx, command.Seq)
	if err != nil {
		return err
	}
	var event map[string]any
	if err := json.Unmarshal(stored.Data, &event); err != nil {
		return err
	}
	order, _ := event["order"].(map[string]any)
	params, _ := order["params"].(map[string]any)
	id, err := w.buy(ctx, params)
	if err != nil {
		return err
	}
	event["n"], event["type"], event["state"], event["terminal"] = 2, "succeeded", "succeeded", true
	event["provider_ref"] = map[string]string{"id": id}
	event["evidence"] = map[string]any{"requested": map[string]any{"amount": params["amount"], "currency": "RUB"}}
	event["time"] = time.Now().UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	result := nats.NewMsg("events.balancesteam." + command.Tenant + "." + command.OrderID + ".succeeded")
	result.Data = body
	result.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(command.Seq, 10))
	result.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, "events.*."+command.Tenant+"."+command.OrderID+".>")
	_, err = w.js.PublishMsg(ctx, result)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return nil // there is a result already
	}
	return err
}

func (w *worker) buy(ctx context.Context, params map[string]any) (id string, err error) {
	form := url.Values{"apikey": {w.key}}
	if login, ok := params["login"].(string); ok {
		form.Set("login_or_email", login)
		form.Set("service_id", "5955")
		form.Set("amount", fmt.Sprint(params["amount"]))
	} else {
		form.Set("login_or_email", fmt.Sprint(params["email"]))
		form.Set("service_id", fmt.Sprintf("%.0f", params["service_id"]))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.shop+"/api/v2/partner/create", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := w.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	var bought struct {
		ID json.Number `json:"id"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&bought); err != nil || bought.ID == "" {
		return "", fmt.Errorf("no id in the answer: %w", err)
	}
	return bought.ID.String(), nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
