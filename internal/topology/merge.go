package topology

import (
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// mergeStream returns have changed into want as far as that costs no data, and
// a note for every wish that it did not follow. It starts from have, so that
// what the server or an operator added (placement, tags) stays.
func mergeStream(have, want jetstream.StreamConfig) (jetstream.StreamConfig, []string) {
	var notes []string
	keep := func(what string, kept, wished any) {
		notes = append(notes, fmt.Sprintf("stream %s keeps %s %v instead of %v", want.Name, what, kept, wished))
	}
	out := have
	out.Description, out.Subjects = want.Description, want.Subjects
	out.Retention, out.Storage, out.Discard = want.Retention, want.Storage, want.Discard
	out.MaxConsumers, out.MaxMsgsPerSubject, out.MaxMsgSize = want.MaxConsumers, want.MaxMsgsPerSubject, want.MaxMsgSize
	out.Duplicates, out.RePublish = want.Duplicates, want.RePublish
	out.AllowAtomicPublish = want.AllowAtomicPublish
	out.AllowRollup, out.AllowDirect, out.AllowMsgSchedules = want.AllowRollup, want.AllowDirect, want.AllowMsgSchedules
	out.AllowMsgTTL, out.SubjectDeleteMarkerTTL = want.AllowMsgTTL, want.SubjectDeleteMarkerTTL
	// The server refuses to take a denial back, and an operator who denied more
	// than we do had a reason.
	out.DenyDelete, out.DenyPurge = have.DenyDelete || want.DenyDelete, have.DenyPurge || want.DenyPurge
	out.Metadata = mergeMetadata(have.Metadata, want.Metadata)

	// Only a permit stream has a number, and lowering it deletes nothing there,
	// because it refuses the new instead of discarding the old.
	out.MaxMsgs = want.MaxMsgs

	// A forgotten NATS_REPLICAS on one dispatcher must not cost the ledger its copies.
	if have.Replicas > want.Replicas {
		keep("replicas", have.Replicas, want.Replicas)
	} else {
		out.Replicas = want.Replicas
	}
	if larger(have.MaxBytes, want.MaxBytes) {
		keep("max_bytes", have.MaxBytes, want.MaxBytes)
	} else {
		out.MaxBytes = want.MaxBytes
	}
	if !isPermits(want) && longer(have.MaxAge, want.MaxAge) {
		keep("max_age", have.MaxAge, want.MaxAge)
	} else {
		out.MaxAge = want.MaxAge
	}
	return out, notes
}

// isPermits tells the one kind of stream whose limits are exact: its content
// is a rate, and a rate kept larger than wished would overrun the provider.
func isPermits(c jetstream.StreamConfig) bool { return c.MaxMsgs > 0 }

// larger compares sizes, of which zero and less mean no limit.
func larger(a, b int64) bool {
	if a <= 0 || b <= 0 {
		return a <= 0 && b > 0
	}
	return a > b
}

// longer compares ages, of which zero means no limit.
func longer(a, b time.Duration) bool { return larger(int64(a), int64(b)) }

// mergeMetadata writes our keys over what is there. Keys of others stay, and
// so does the namespace, which no configuration knows.
func mergeMetadata(have, want map[string]string) map[string]string {
	out := maps.Clone(have)
	if out == nil {
		out = make(map[string]string)
	}
	maps.Copy(out, want)
	return out
}

// mergeConsumer changes have into want. What a closed lane has paused stays
// paused: the server takes no pause from an update (2.15.2), and we send back
// the one we found.
func mergeConsumer(have, want jetstream.ConsumerConfig) jetstream.ConsumerConfig {
	out := have
	out.Description = want.Description
	out.FilterSubject, out.FilterSubjects = want.FilterSubject, want.FilterSubjects
	out.AckPolicy, out.AckWait, out.MaxDeliver = want.AckPolicy, want.AckWait, want.MaxDeliver
	out.BackOff = want.BackOff
	out.MaxAckPending = want.MaxAckPending
	out.InactiveThreshold = want.InactiveThreshold
	out.Metadata = mergeMetadata(have.Metadata, want.Metadata)
	return out
}
