// Package logkey holds the names of log fields, all of them, in one file: the
// same fact must have the same name in every line, or nobody can search for it.
//
// It promises nothing but names, holds no code, and may be imported by every
// package of the project that logs.
package logkey
