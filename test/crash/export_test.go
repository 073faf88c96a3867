package main

// Chosen is the test's view of which mutants are run.
var Chosen = chosen

// SumFile is the test's view of the adding up.
var SumFile = sumFile
