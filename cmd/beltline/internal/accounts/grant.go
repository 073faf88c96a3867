package accounts

import "strings"

const (
	// core holds the streams. Nobody is a user of it.
	core = "CORE"
	// system is the server's own account.
	system = "SYSTEM"

	// APIPrefix is where every role finds the API of JetStream: its own account has
	// none, and $JS.API cannot be imported under its own name.
	APIPrefix = "beltline"

	apiSubjects = "$JS.API."
	keySubjects = "$KV.beltline."
)

// grant is one thing that a role may ask of another account.
type grant struct {
	from    string // the account that has it
	subject string // there
	as      string // in the role's own account
	stream  bool   // it is heard, not asked
	many    bool   // one question has more than one answer
}

// role is a program, or a person, with an account of its own.
type role struct {
	name    string // also of its files
	account string
	program string // what runs as it
	grants  []grant
	serves  []string // subjects that it answers on
}

// inbox is the prefix of the subjects that answers to the role come to.
func (r *role) inbox() string { return "_INBOX_" + r.name }

// sends are the subjects that the role may publish to.
func (r *role) sends() (all []string) {
	for _, g := range r.grants {
		if !g.stream {
			all = append(all, g.as)
		}
	}
	return all
}

// hears are the subjects that the role may subscribe to.
func (r *role) hears() []string {
	all := []string{r.inbox() + ".>"}
	for _, g := range r.grants {
		if g.stream && g.as != all[0] {
			all = append(all, g.as)
		}
	}
	return append(all, r.serves...)
}

func (r *role) may(grants ...grant) *role {
	r.grants = append(r.grants, grants...)
	return r
}

// api lets a role make requests to JetStream.
func (r *role) api(requests ...string) *role {
	for _, q := range requests {
		r.may(grant{
			from: core, subject: apiSubjects + q, as: APIPrefix + "." + q,
			// A pull is answered by as many messages as it asked for.
			many: strings.HasPrefix(q, "CONSUMER.MSG.NEXT."),
		})
	}
	return r
}

// publish lets a role write to streams, or acknowledge.
func (r *role) publish(subjects ...string) *role {
	for _, s := range subjects {
		r.may(grant{from: core, subject: s, as: s})
	}
	return r
}

// ask lets a role ask services of another account.
func (r *role) ask(of string, subjects ...string) *role {
	for _, s := range subjects {
		r.may(grant{from: of, subject: s, as: s, many: strings.HasPrefix(s, "$SRV.")})
	}
	return r
}

// hear lets a role hear what is published in CORE.
func (r *role) hear(subjects ...string) *role {
	for _, s := range subjects {
		r.may(grant{from: core, subject: s, as: s, stream: true})
	}
	return r
}

// read lets a role read keys of the bucket.
func (r *role) read(keys ...string) *role {
	for _, k := range keys {
		r.api("DIRECT.GET.KV_beltline." + keySubjects + k)
	}
	return r
}

// write lets a role write keys of the bucket, and read them. Where the API has
// a prefix, the client library puts it before the subjects of keys too.
func (r *role) write(keys ...string) *role {
	for _, k := range keys {
		r.may(grant{from: core, subject: keySubjects + k, as: APIPrefix + "." + keySubjects + k})
	}
	return r.read(keys...)
}

// take lets a role work through a durable consumer.
func (r *role) take(stream, consumer string) *role {
	return r.api("CONSUMER.INFO."+stream+"."+consumer, "CONSUMER.MSG.NEXT."+stream+"."+consumer).
		publish("$JS.ACK." + stream + "." + consumer + ".>")
}
