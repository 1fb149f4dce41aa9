//go:build race

package port

const raceDetector = true
