package messages_test

import (
	"regexp"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/beltline-io/beltline/pkg/messages"
)

// The vectors were computed by another program in another language, from the
// words of the contract: a reference that changed would not find old orders.
func TestReference_Vectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		namespace, tenant, id string
		n                     int
		reference, apiID      string
	}{
		{"ns-1", "acme", "ord-1", 1, "b177ztapvlfdzimqrpas4xgzs6", "4610784486182501537"},
		{"ns-1", "acme", "ord-1", 2, "b1xjj36goa3ugwbb7l7sqjjuut", "3356571257863095128"},
		{"ns-2", "acme", "ord-1", 1, "b1p2ke3htekm5zba7eeek7nnrp", "2280250122003861220"},
		{"ns-1", "ac", "meord-1", 1, "b1lbwiplnhsbzx2pegkkmf5uqn", "1592904188183190751"},
		{"", "a", "b", 1, "b1fbxgn6h3zjocujzusqy7hz6o", "728344807129388810"},
		{"3f1c9d7e5b2a4860", "acme", "ord-2026-000123", 1, "b16csxjaq5h2x2rdpfgcsggpuf", "4335098510611295210"},
	}
	for _, tt := range tests {
		if got := messages.Reference(tt.namespace, tt.tenant, tt.id, tt.n); got != tt.reference {
			t.Errorf("%+v: reference %s", tt, got)
		}
		if got := messages.APIID(tt.namespace, tt.tenant, tt.id, tt.n); got != tt.apiID {
			t.Errorf("%+v: api id %s", tt, got)
		}
	}
}

func TestReference_OrdersWhoseNamesRunTogetherDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, o := range [][3]string{{"n", "ab", "c"}, {"n", "a", "bc"}, {"na", "b", "c"}, {"n", "abc", ""}, {"n", "a", "b-c"}, {"n", "a-b", "c"}} {
		for n := 1; n <= 12; n++ {
			name := o[0] + "|" + o[1] + "|" + o[2] + "|" + strconv.Itoa(n)
			for _, ref := range []string{messages.Reference(o[0], o[1], o[2], n), messages.APIID(o[0], o[1], o[2], n)} {
				if other, taken := seen[ref]; taken {
					t.Errorf("%s and %s have the reference %s", name, other, ref)
				}
				seen[ref] = name
			}
		}
	}
}

func TestReference_FormHoldsForAnyOrder(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^b1[a-z2-7]{24}$`)
	rapid.Check(t, func(t *rapid.T) {
		ns, tenant, id := rapid.String().Draw(t, "namespace"), rapid.String().Draw(t, "tenant"), rapid.String().Draw(t, "id")
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		if ref := messages.Reference(ns, tenant, id, n); !form.MatchString(ref) || !messages.ValidToken(ref) {
			t.Fatalf("reference %q", ref)
		}
		v, err := strconv.ParseInt(messages.APIID(ns, tenant, id, n), 10, 64)
		if err != nil || v <= 0 || v >= 1<<62 {
			t.Fatalf("api id %d, %v", v, err)
		}
	})
}
