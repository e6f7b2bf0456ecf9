// Package drill is the lab's main job: it breaks one of two directors in every way that matters while clients work, and judges what
// they lost.
//
// A [Scenario] is a value: steps at given times, and named expectations. The drill first waits until the pair is at rest, watches a
// quiet run of the scenario's own length, then plays the scenario and watches again. What was seen in such a window is
// [Evidence]: data without behaviour of the lab behind it, so that judging is arithmetic and tested as such.
//
// The quiet run is the measure: the lab runs on one slow processor at times, and its own noise must neither fail a
// scenario nor excuse one. That is why figures, which are times in milliseconds, are the median of three plays where the
// first play misses one: a quiet run has one sample of the noise, and the scenario another.
package drill
