package pull

import "time"

// Heartbeat is how often the server says that a request stands.
const Heartbeat = heartbeat

// MostRefusals in a row are put up with.
const MostRefusals = mostRefusals

// AskedAfter is what is still expected of asked messages after a silence.
func AskedAfter(asked int, silence time.Duration) int {
	now := time.Now()
	s := &source{asked: asked, heard: now.Add(-silence)}
	s.forgetIfSilent(now)
	return s.asked
}
