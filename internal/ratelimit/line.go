package ratelimit

import "slices"

// checkShare: of so many slots one goes to a check if any waits, whatever
// backlog of placing there is. Otherwise a provider whose places fill the limit
// would never be asked what became of them.
const checkShare = 4

// waiter waits for a permit.
type waiter struct {
	use     Use
	granted chan Permit // holds the permit, once there is one
	served  bool        // somebody asks for its permit; it is not in line
	gone    bool        // has given up
}

// line is where waiters stand. It decides who goes next, and is not safe for
// concurrent use.
type line struct {
	of    [uses][]*waiter
	count [uses]int // of those that have not given up
	turn  int
}

func (l *line) join(u Use) *waiter {
	w := &waiter{use: u, granted: make(chan Permit, 1)}
	l.of[u] = append(l.of[u], w)
	l.count[u]++
	return w
}

// keepGone is how many that have given up may stand in line beside the others:
// a turn may be a day away, and those who ask for a moment only are many.
const keepGone = 64

// leave is for a waiter that gives up. It keeps its place until its turn comes,
// and is passed over then.
func (l *line) leave(w *waiter) {
	w.gone = true
	if !w.served {
		l.count[w.use]--
	}
	if of := l.of[w.use]; len(of) > 2*l.count[w.use]+keepGone {
		l.of[w.use] = slices.DeleteFunc(of, func(w *waiter) bool { return w.gone })
	}
}

// putBack lets a waiter that was being served stand first in line again.
func (l *line) putBack(w *waiter) {
	w.served = false
	if !w.gone {
		l.of[w.use] = append([]*waiter{w}, l.of[w.use]...)
		l.count[w.use]++
	}
}

// waiting counts those that share the paced slots: all but customers.
func (l *line) waiting() int { return l.count[ForPlace] + l.count[ForPrepare] + l.count[ForCheck] }

// empty reports whether nobody waits at all.
func (l *line) empty() bool { return l.waiting()+l.count[ForCustomer] == 0 }

// next takes the waiter whose turn it is; nil if nobody waits.
func (l *line) next() *waiter {
	switch {
	case l.count[ForCustomer] > 0:
		return l.pop(ForCustomer)
	case l.waiting() == 0:
		return nil
	}
	l.turn++
	switch {
	case l.count[ForCheck] > 0 && (l.turn%checkShare == 0 || l.waiting() == l.count[ForCheck]):
		return l.pop(ForCheck)
	case l.count[ForPlace] > 0:
		return l.pop(ForPlace)
	default:
		return l.pop(ForPrepare)
	}
}

// pop takes the first of one use that has not given up.
func (l *line) pop(u Use) *waiter {
	for len(l.of[u]) > 0 {
		w := l.of[u][0]
		l.of[u][0] = nil
		l.of[u] = l.of[u][1:]
		if !w.gone {
			w.served = true
			l.count[u]--
			return w
		}
	}
	return nil
}
