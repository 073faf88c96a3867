// Package lane reads and changes the lane of a provider: the key of the bucket
// that says whether orders are placed there.
//
// It promises that a change is a compare-and-set on what was read, so that none
// is lost, and that what cannot be read is taken for closed: nothing is bought
// on a guess.
//
// It never opens or closes a lane by itself. The workers close it, probe it and
// open it again as our account at the provider fares; an operator pauses it,
// and then it stays closed until one resumes it.
//
// Workers, the operator's service and the providers' services import it.
package lane
