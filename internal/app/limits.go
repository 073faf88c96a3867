package app

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/beltline-io/beltline/pkg/providers"
)

// limits is what is configured of one provider on every program, because the
// streams and consumers follow from it.
type limits struct {
	rate    providers.Rate
	timeout time.Duration
}

// newLimits makes the flags of every registered provider: a provider that is
// added to the registry has its variables without a line here. The struct types
// are made at run time because the defaults stand in their tags.
func newLimits() kong.Plugins {
	var plugins kong.Plugins
	for _, r := range providers.Registrations() {
		flag, env := string(r.Name), strings.ToUpper(string(r.Name))
		plugins = append(plugins, reflect.New(reflect.StructOf([]reflect.StructField{
			{
				Name: "RateLimit", Type: reflect.TypeFor[providers.Rate](),
				Tag: reflect.StructTag(fmt.Sprintf(`name:"%s-rate-limit" env:"%s_RATE_LIMIT" default:"%s" group:"Limits" help:"Requests to %s in any window of time."`,
					flag, env, r.RateLimit, r.Title)),
			},
			{
				Name: "Timeout", Type: reflect.TypeFor[time.Duration](),
				Tag: reflect.StructTag(fmt.Sprintf(`name:"%s-timeout" env:"%s_TIMEOUT" default:"%s" group:"Limits" help:"Deadline of one request to %s."`,
					flag, env, r.Timeout, r.Title)),
			},
		})).Interface())
	}
	return plugins
}

// limits returns what is configured of the provider at place i of the registry.
func (c *Common) limits(i int) limits {
	v := reflect.ValueOf(c.Limits[i]).Elem()
	return limits{
		rate:    v.Field(0).Interface().(providers.Rate),
		timeout: v.Field(1).Interface().(time.Duration),
	}
}
