package forget

// At makes a run call f before each of its steps.
func (o *Options) At(f func(step string)) { o.at = f }

// Abandon leaves the lease where it is, as a process that dies does.
func (e *Eraser) Abandon() {
	if e.lease != nil {
		e.lease.stop()
		e.lease.done.Wait()
		e.lease = nil
	}
}
