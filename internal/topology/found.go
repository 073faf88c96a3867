package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/beltline-io/beltline/pkg/messages"
	"github.com/beltline-io/beltline/pkg/providers"
)

// bucketStreamName is the stream that the bucket is kept in.
const bucketStreamName = "KV_" + messages.Bucket

// Found is what a server holds of the topology, by the names that [Report] uses.
type Found struct {
	Streams   map[string]*jetstream.StreamInfo
	Consumers map[string]*jetstream.ConsumerInfo
	// Unknown says why something could not be asked; it may well be there.
	Unknown map[string]error
}

// Difference is something that is not as it was to be.
type Difference struct {
	Where   string // such as "stream EVENTS"
	Missing bool
	// Settings are those that differ.
	Settings []SettingDiffers
}

// SettingDiffers is one setting that Setup would change.
type SettingDiffers struct{ Name, Have, Want string }

// String renders "max_age is 1m0s, not 1.5s".
func (d SettingDiffers) String() string {
	return fmt.Sprintf("%s is %s, not %s", d.Name, cmp.Or(d.Have, "not set"), cmp.Or(d.Want, "not set"))
}

// Look reads everything that the settings name, for a person who asks whether
// it is as it should be. What is missing is in neither map.
func Look(ctx context.Context, js jetstream.JetStream, s Settings) Found {
	f := Found{
		Streams: map[string]*jetstream.StreamInfo{}, Consumers: map[string]*jetstream.ConsumerInfo{}, Unknown: map[string]error{},
	}
	stream := func(where, name string) {
		switch have, err := js.Stream(ctx, name); {
		case err == nil:
			f.Streams[where] = have.CachedInfo()
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			f.Unknown[where] = explain(err, name)
		}
	}
	for _, c := range s.Streams() {
		stream(streamName(c.Name), c.Name)
	}
	stream(bucketName(), bucketStreamName)
	for _, c := range s.Consumers() {
		where := consumerName(c)
		switch have, err := js.Consumer(ctx, c.Stream, c.Config.Name); {
		case err == nil:
			f.Consumers[where] = have.CachedInfo()
		case !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound):
			f.Unknown[where] = explain(err, c.Stream)
		}
	}
	return f
}

func streamName(name string) string  { return "stream " + name }
func bucketName() string             { return "bucket " + messages.Bucket }
func consumerName(c Consumer) string { return "consumer " + c.Stream + "/" + c.Config.Name }

// Stream is a stream's info by its name; nil where it was not found.
func (f Found) Stream(name string) *jetstream.StreamInfo { return f.Streams[streamName(name)] }

// Consumer is the info of a consumer; nil where it was not found.
func (f Found) Consumer(stream, name string) *jetstream.ConsumerInfo {
	return f.Consumers["consumer "+stream+"/"+name]
}

// Adopt returns the settings with what the server holds in place of what was
// not given: whoever was not told what the others run with cannot say that it
// is wrong. given tells by the variable's name.
func (f Found) Adopt(s Settings, given func(variable string) bool) Settings {
	if i := f.Stream(messages.StreamEvents); i != nil && !given(envReplicas) {
		s.Replicas = i.Config.Replicas
	}
	for _, size := range []struct {
		variable, stream string
		into             *int64
	}{
		{envEvents, messages.StreamEvents, &s.EventsMaxBytes},
		{envOrders, messages.StreamOrders, &s.OrdersMaxBytes},
		{envDLQ, messages.StreamDLQ, &s.DLQMaxBytes},
	} {
		if i := f.Stream(size.stream); i != nil && i.Config.MaxBytes > 0 && !given(size.variable) {
			*size.into = i.Config.MaxBytes
		}
	}
	all := make(map[messages.Provider]ProviderSettings, len(s.Providers))
	for p, ps := range s.Providers {
		all[p] = f.adopt(p, ps, given)
	}
	s.Providers = all
	if i := f.Consumer(messages.StreamOrders, DispatcherConsumer); i != nil && !given("MAX_IN_FLIGHT") && i.Config.MaxAckPending > leastAckPending {
		s.MaxInFlight = i.Config.MaxAckPending / replicasAtOnce
	}
	return s
}

// adopt takes the settings of one provider from what was recorded at setup.
func (f Found) adopt(p messages.Provider, ps ProviderSettings, given func(string) bool) ProviderSettings {
	i := f.Stream(p.PermitStream())
	if i == nil {
		return ps
	}
	name := strings.ToUpper(string(p))
	if rate, err := providers.ParseRate(i.Config.Metadata[MetaRate]); err == nil && !given(name+"_RATE_LIMIT") {
		ps.Rate = rate
	}
	if timeout, err := time.ParseDuration(i.Config.Metadata[MetaTimeout]); err == nil && timeout > 0 && !given(name+"_TIMEOUT") {
		follow := ForProvider(ps.Rate, timeout)
		if given("LEASE") {
			follow.Lease, follow.AckWait = ps.Lease, ps.Lease+ackWaitAfterLease
		}
		if given("ACK_WAIT") {
			follow.AckWait = ps.AckWait
		}
		ps = follow
	}
	c := f.Consumer(messages.StreamCommands, p.PlaceConsumer())
	// One that is not above the time-out is wrong, whatever was given.
	if c != nil && !given("ACK_WAIT") && !given("LEASE") && c.Config.AckWait > ps.Timeout {
		ps.AckWait = c.Config.AckWait
	}
	return ps
}

// Compare says what is missing and what [Setup] would change. It makes no
// request, and does not speak of what is [Found.Unknown].
func (f Found) Compare(s Settings) []Difference {
	var all []Difference
	note := func(where string, there bool, differ []SettingDiffers) {
		if _, unknown := f.Unknown[where]; !unknown && (!there || len(differ) > 0) {
			all = append(all, Difference{Where: where, Missing: !there, Settings: differ})
		}
	}
	for _, want := range s.Streams() {
		where := streamName(want.Name)
		have := f.Streams[where]
		if have == nil {
			note(where, false, nil)
			continue
		}
		merged, _ := mergeStream(have.Config, want)
		note(where, true, differences(have.Config, merged))
	}
	if have := f.Streams[bucketName()]; have == nil {
		note(bucketName(), false, nil)
	} else {
		merged, _ := mergeStream(have.Config, bucketStream(have.Config, s.Bucket()))
		note(bucketName(), true, differences(have.Config, merged))
	}
	for _, want := range s.Consumers() {
		where := consumerName(want)
		have := f.Consumers[where]
		if have == nil {
			note(where, false, nil)
			continue
		}
		note(where, true, differences(have.Config, mergeConsumer(have.Config, want.Config)))
	}
	return all
}

// differences lists the fields of two configurations that differ, by the names
// that the server and its tools use.
func differences(have, want any) (all []SettingDiffers) {
	a, b := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		x, y := a.Field(i).Interface(), b.Field(i).Interface()
		if reflect.DeepEqual(x, y) {
			continue
		}
		if old, ok := x.(map[string]string); ok {
			all = append(all, metadataDiffers(old, y.(map[string]string))...) //nolint:forcetypeassert // the same field of the same type
			continue
		}
		all = append(all, SettingDiffers{Name: name, Have: rendered(a.Field(i)), Want: rendered(b.Field(i))})
	}
	return all
}

func metadataDiffers(have, want map[string]string) (all []SettingDiffers) {
	for key, value := range want {
		if have[key] != value {
			all = append(all, SettingDiffers{Name: key, Have: have[key], Want: value})
		}
	}
	slices.SortFunc(all, func(a, b SettingDiffers) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// rendered shows what a pointer points at, not where it is.
func rendered(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// TooOld returns an error with [ErrServerTooOld] for a server of that version,
// if it lacks what the queue of commands needs.
func TooOld(version string) error { return checkVersion(version) }
