package topology

// CheckVersion is the test's view of the version check: no old server can be
// embedded beside the pinned one.
var CheckVersion = checkVersion
