package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"github.com/beltline-io/beltline/internal/natstest"
	"github.com/beltline-io/beltline/internal/service"
)

// A replica tells how often it could not answer and what the last reason was,
// in words that are nobody's secret; what askers did wrong it does not count.
func TestStats_TellTheErrorsThatAreOursAndNothingOfTheQuestions(t *testing.T) {
	t.Parallel()
	nc := natstest.Start(t).Conn(t)
	answers := map[string]error{
		"wrong": service.Fail(service.BadRequest, "bad_request", "no login gordon"),
		"away":  service.Fail(service.BadProvider, "provider_error", "the shop says that gordon is unknown"),
		"bug":   errors.New("gordon"),
	}
	var worked time.Duration // one question at a time
	s, err := service.Serve(nc, service.Options{Name: "test", Log: zerolog.Nop(), AtOnce: 1, Within: time.Minute}, service.Endpoint{
		Name: "find", Subject: "svc.test.find",
		Answer: func(_ context.Context, r service.Request) (service.Answer, error) {
			begun := time.Now()
			defer func() { worked += time.Since(begun) }()
			switch string(r.Body) {
			case "panic":
				panic("gordon")
			case "unwritable":
				return service.Answer{Body: func() {}}, nil
			case "long":
				return service.Answer{Body: strings.Repeat("gordon", 1<<20)}, nil
			}
			return service.Answer{Body: "fine"}, answers[string(r.Body)]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	tally := func() (all service.Tally) {
		t.Helper()
		m, err := nc.Request("$SRV.STATS.test", nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var stats micro.Stats
		if err := json.Unmarshal(m.Data, &stats); err != nil || len(stats.Endpoints) != 1 {
			t.Fatalf("%s, %v", m.Data, err)
		}
		if strings.Contains(string(m.Data), "gordon") {
			t.Errorf("a question is told to whoever asks: %s", m.Data)
		}
		if err := json.Unmarshal(stats.Endpoints[0].Data, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	ask := func(body string) {
		t.Helper()
		if _, err := nc.Request("svc.test.find", []byte(body), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	ask("well")
	ask("wrong")
	if got := tally(); got.Errors != 0 || got.Answers != 2 || got.ProcessingTime < worked || got.ProcessingTime > time.Since(begun) ||
		got.AverageProcessingTime != got.ProcessingTime/2 {
		t.Errorf("%+v", got)
	}
	ask("away")
	if got := tally(); got.Errors != 1 || got.LastError != "502 provider_error" || got.LastErrorAt == nil {
		t.Errorf("%+v", got)
	}
	ask("bug")
	if got := tally(); got.Errors != 2 || got.LastError != "500 internal" {
		t.Errorf("%+v", got)
	}
	for i, body := range []string{"panic", "unwritable", "long"} {
		ask(body)
		if got := tally(); got.Errors != 3+i || got.Answers != 5+i || got.LastError != "500 internal" {
			t.Errorf("%s: %+v", body, got)
		}
	}
}
