package programs_test

import (
	"testing"
	"time"

	"github.com/beltline-io/beltline/internal/programs"
	"github.com/beltline-io/beltline/internal/secret"
)

// What was on its way when the secret was replaced must not be lost, and what
// the one who has stolen it signs must not be believed for ever.
func TestSkinsBackCallback_TheReplacedSecretSignsForAnHourMore(t *testing.T) {
	t.Parallel()
	key, stolen := secret.New("the stolen secret"), secret.New("the stolen secret")
	verify := programs.SkinsBackCallback(key)
	body := func(by secret.String) []byte {
		return signedForm(by, map[string]string{"status": "success", "order_id": "b1x", "transaction_id": "77"})
	}
	accepted := func(by secret.String) bool {
		_, err := verify(body(by), hookForm)
		return err == nil
	}
	if !accepted(stolen) {
		t.Fatal("the secret in use is not accepted")
	}
	second, third := secret.New("the second secret"), secret.New("the third secret")
	secret.Replace(time.Now().Add(-2*time.Hour), secret.Change{Of: key, By: second})
	if accepted(stolen) || !accepted(second) {
		t.Errorf("two hours later: the stolen one %t, the new one %t", accepted(stolen), accepted(second))
	}
	secret.Replace(time.Now(), secret.Change{Of: key, By: third})
	if !accepted(second) || !accepted(third) || accepted(stolen) {
		t.Errorf("just now: the one before %t, the new one %t, the stolen one %t", accepted(second), accepted(third), accepted(stolen))
	}
}
