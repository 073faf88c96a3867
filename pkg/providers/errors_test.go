package providers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/beltline-io/beltline/pkg/providers"
)

func TestClassOf_WhateverNobodyClassifiedIsAmbiguous(t *testing.T) {
	t.Parallel()
	var zero providers.Error
	var class providers.Class
	for name, err := range map[string]error{
		"zero value":    &zero,
		"foreign error": errors.New("x"),
		"deadline":      context.DeadlineExceeded,
		"nothing":       nil,
		"wrapped":       fmt.Errorf("placing: %w", &zero),
	} {
		if got := providers.ClassOf(err); got != providers.Ambiguous || got != class {
			t.Errorf("%s: %v", name, got)
		}
		if providers.AsError(err) == nil {
			t.Errorf("%s: AsError is nil", name)
		}
	}
}

func TestAsError_FindsTheErrorInsideOthers(t *testing.T) {
	t.Parallel()
	cause := errors.New("the lease is over")
	inner := &providers.Error{Op: "shop.buy", Class: providers.Retryable, Code: providers.CodeNotSent, Err: cause}
	outer := errors.Join(errors.New("x"), fmt.Errorf("placing: %w", inner))
	if providers.AsError(outer) != inner || providers.ClassOf(outer) != providers.Retryable {
		t.Errorf("got %v", providers.AsError(outer))
	}
	if !errors.Is(outer, cause) {
		t.Error("the cause is lost")
	}
	if e := providers.AsError(cause); !errors.Is(e, cause) || e.Code != providers.CodeUnreadable {
		t.Errorf("got %+v", e)
	}
}

func TestError_TellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*providers.Error{
		"shop.buy: ambiguous timeout":                      {Op: "shop.buy", Code: "timeout"},
		"shop.buy: rejected NO (HTTP 400): not for sale":   {Op: "shop.buy", Class: providers.Rejected, Code: "NO", HTTPStatus: 400, Message: "not for sale"},
		"shop.buy: retryable not_sent: connection refused": {Op: "shop.buy", Class: providers.Retryable, Code: "not_sent", Err: errors.New("connection refused")},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestClass_NamesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	for class, want := range map[providers.Class]string{
		providers.Ambiguous: "ambiguous", providers.Rejected: "rejected", providers.Retryable: "retryable",
		providers.Blocked: "blocked", providers.Invalid: "invalid", providers.Class(9): "class(9)",
	} {
		if got := class.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestStatus_ZeroValueKnowsNothing(t *testing.T) {
	t.Parallel()
	var a providers.Answer
	if a.Status != providers.StatusUnknown || a.Status.String() != "unknown" {
		t.Errorf("the zero answer says %v", a.Status)
	}
	for status, want := range map[providers.Status]string{
		providers.StatusAbsent: "absent", providers.StatusProcessing: "processing", providers.StatusActionRequired: "action_required",
		providers.StatusOnHold: "on_hold", providers.StatusSucceeded: "succeeded", providers.StatusFailed: "failed",
		providers.StatusReversed: "reversed", providers.Status(99): "status(?)",
	} {
		if got := status.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSendGuard_IsThereOnlyWhereItWasPut(t *testing.T) {
	t.Parallel()
	if providers.SendGuard(t.Context()) != nil {
		t.Error("a context without a guard has one")
	}
	no := errors.New("no")
	inner := providers.WithSendGuard(providers.WithSendGuard(t.Context(), func() error { return nil }), func() error { return no })
	if err := providers.SendGuard(inner)(); !errors.Is(err, no) {
		t.Errorf("got %v, want the innermost guard's answer", err)
	}
}
