// Package lane reads and changes the lane of a provider: the key of the bucket
// that says whether orders are placed there. The value of the key is described
// here, and nowhere else.
//
// It promises that a change is a compare-and-set on what was read, so that none
// is lost, and that what cannot be read is taken for closed: nothing is bought
// on a guess; and that a pause, once it was returned, is in force: workers send
// nothing afterwards whose intent was not stored before ([InForce]).
//
// It never opens or closes a lane by itself. The workers close it, probe it and
// open it again as our account at the provider fares; an operator pauses it,
// and then it stays closed until one resumes it.
//
// Workers, the operator's service and the providers' services import it.
package lane
