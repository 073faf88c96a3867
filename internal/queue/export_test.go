package queue

// HeaderText is the test's view of what a foreign text becomes in a header.
var HeaderText = headerText

// MaxHeaderText bounds it.
const MaxHeaderText = maxHeaderText
