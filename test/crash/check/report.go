package check

import (
	"fmt"
	"io"
)

// Finding is one place where an invariant does not hold.
type Finding struct {
	Order string `json:"order,omitempty"` // "<tenant>/<order_id>" where it is about one
	Text  string `json:"text"`
}

// Verdict is what came of one invariant.
type Verdict struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Looked is how many things were held against it: one that looked at
	// nothing has shown nothing.
	Looked   int       `json:"looked"`
	Findings []Finding `json:"findings,omitempty"`
}

// Report is what came of all of them.
type Report struct {
	Verdicts []Verdict
	view     *view
}

// invariant is one thing that must hold of every run.
type invariant struct {
	id, title string
	check     func(v *view, say tell) (looked int)
}

// tell notes a finding.
type tell func(order, format string, args ...any)

func invariants() []invariant {
	return []invariant{
		{"I1", "bought at most once", boughtOnce},
		{"I1b", "nothing bought without an intent", intended},
		{"I2", "one end, or visibly the operator's", oneEnd},
		{"I2b", "what is said of an end is true", truthful},
		{"I3", "the rate limit is kept", rateKept},
		{"I4", "one request for each intent", oneRequest},
		{"I5", "what was acknowledged is there", kept},
		{"I6", "no order is mixed up with another", apart},
		{"I7", "forged callbacks are refused, genuine ones are not", hooks},
		{"I8", "nothing stands still", moving},
		{"I10", "no secret and no code where it does not belong", secrets},
		{"I11", "bounded, and without panics", bounded},
		{"I12", "the ledger is a way through the states", ways12},
		{"I13", "the money adds up", balanced},
		{"I14", "everything ends after the last fault", ended},
		{"I15", "the operator is asked only for a reason", honest},
	}
}

// Check holds a history against all invariants.
func Check(h *History) *Report {
	v := newView(h)
	r := &Report{view: v}
	for _, in := range invariants() {
		verdict := Verdict{ID: in.id, Title: in.title}
		verdict.Looked = in.check(v, func(order, format string, args ...any) {
			verdict.Findings = append(verdict.Findings, Finding{Order: order, Text: fmt.Sprintf(format, args...)})
		})
		r.Verdicts = append(r.Verdicts, verdict)
	}
	return r
}

// OK reports whether every invariant holds.
func (r *Report) OK() bool {
	for _, v := range r.Verdicts {
		if len(v.Findings) > 0 {
			return false
		}
	}
	return true
}

// Of returns the verdict on one invariant.
func (r *Report) Of(id string) Verdict {
	for _, v := range r.Verdicts {
		if v.ID == id {
			return v
		}
	}
	return Verdict{ID: id}
}

// shown is how many findings of one invariant are listed.
const shown = 5

// Write tells what was found: each broken invariant, the timeline of its first
// order, and how to run it again.
func (r *Report) Write(w io.Writer) {
	for _, v := range r.Verdicts {
		if len(v.Findings) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s broken: %s (%d of %d)\n", v.ID, v.Title, len(v.Findings), v.Looked)
		for i, f := range v.Findings {
			if i == shown {
				fmt.Fprintf(w, "  … and %d more\n", len(v.Findings)-shown)
				break
			}
			fmt.Fprintf(w, "  %s: %s\n", orNothing(f.Order), f.Text)
		}
		if first := v.Findings[0]; first.Order != "" {
			r.Timeline(w, first.Order)
		}
	}
	if !r.OK() {
		fmt.Fprintf(w, "seed %d; again with: %s\n", r.view.Seed, r.view.Again)
	}
}

func orNothing(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
