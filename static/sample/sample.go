// Package sample makes the traffic that ships with the program: sessions of an
// imagined office assistant over thirty days, with the truth about each answer.
//
// The stories are written by hand, a file per task class; a generator with a
// fixed seed varies their numbers and names and decides who noticed what. The
// same seed gives the same sample to the byte, except that times are counted
// back from the moment it is loaded.
//
// One model version is worse at formulas, few users say so, and the queue looks
// for trouble: the share of labeled items that were bad ends up about three
// times the rate of all traffic, which is known here and can be compared.
package sample

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Event is one telemetry event in the shape that the ingest takes.
type Event map[string]any

// Truth is what is known about one answer: the right label for it and how
// hard that is to see.
type Truth struct {
	EventID    string
	TaskClass  string
	Model      string
	Time       time.Time
	Label      string   // correct, partially_correct or hallucinated
	Reasons    []string // why, for answers that are not correct
	Correction string   // what would have been right, where the story says so
	Readable   bool     // the user let the text be kept
}

// Traffic is a whole sample.
type Traffic struct {
	Events []Event
	Truths []Truth // one per answer, in order of time
}

// Days is how far the sample reaches back.
const Days = 30

// The model versions, oldest first, and the first day (counted back from the
// load) on which each answered.
var versions = []struct {
	name  string
	since int
}{
	{"assist-2.0", 30},
	{"assist-2.1", 17},
	{"assist-2.2", 6},
}

// story is one exchange before numbers and names are filled in. right and
// wrong tell it with the answer as it should and should not have been.
type story struct {
	taskClass string
	template  string
	tell      func(r *rand.Rand, wrong bool) exchange
}

// exchange is one question and its answer.
type exchange struct {
	prompt, response, context string
	artifact                  map[string]any
	label                     string
	reasons                   []string
	correction                string
	tools                     []tool
	reason                    string // what a user who says no says: incorrect, unsafe, irrelevant
}

type tool struct {
	name, detail, status string
	millis               int
}

// wrongShare is the true share of hallucinated answers by class and version.
var wrongShare = map[string]map[string]float64{
	"spreadsheet_formula": {"assist-2.0": .05, "assist-2.1": .045, "assist-2.2": .15},
	"sql_query":           {"assist-2.0": .07, "assist-2.1": .06, "assist-2.2": .055},
	"code_generation":     {"assist-2.0": .06, "assist-2.1": .04, "assist-2.2": .035},
	"file_edit":           {"assist-2.0": .045, "assist-2.1": .04, "assist-2.2": .04},
	"summarization":       {"assist-2.0": .03, "assist-2.1": .025, "assist-2.2": .02},
}

// partialShare is the share of usable answers with a small, obvious flaw.
const partialShare = .06

// Make returns the sample as it looks at now, which also fixes the times: the
// newest answer is a quarter of an hour old.
func Make(now time.Time) Traffic {
	m := &maker{
		random: rand.New(rand.NewPCG(20260117, 41)),
		now:    now.UTC().Truncate(time.Second),
	}
	stories := [][]story{formulas, queries, programs, edits, summaries}
	for day := Days; day >= 1; day-- {
		for class, list := range stories {
			for range volume[class] + m.random.IntN(5) {
				m.session(day, list[m.random.IntN(len(list))])
			}
		}
	}
	m.traces()
	return m.traffic
}

// volume is how many sessions a day each class has at least.
var volume = []int{28, 24, 24, 20, 16}

type maker struct {
	random  *rand.Rand
	now     time.Time
	traffic Traffic
	count   int
}

// session tells one story at a time of the given day, counted back, with what
// the user did afterwards.
func (m *maker) session(day int, s story) {
	m.count++
	r := m.random
	began := m.now.Add(-time.Duration(day)*24*time.Hour + time.Duration(15+r.IntN(23*60))*time.Minute - 15*time.Minute)
	if latest := m.now.Add(-45 * time.Minute); began.After(latest) {
		began = latest
	}
	model := m.version(day)
	wrong := r.Float64() < wrongShare[s.taskClass][model]
	told := s.tell(r, wrong)
	told.label = "correct"
	switch {
	case wrong:
		told.label = "hallucinated"
	case r.Float64() < partialShare:
		told.label = "partially_correct"
		told.reasons = []string{"incomplete"}
	default:
		told.reasons = nil
	}

	base := Event{
		"session_id":         fmt.Sprintf("s_%06x", m.hash("session", 3)),
		"trace_id":           fmt.Sprintf("%032x", m.hash("trace", 16)),
		"user_id_hash":       fmt.Sprintf("sha256-%016x", r.IntN(180)*2654435761+97),
		"assistant_id":       "desk-1",
		"assistant_version":  "3.4.1",
		"model_version":      model,
		"model_provider":     "in-house",
		"prompt_template_id": s.template,
		"task_class":         s.taskClass,
		"env":                "prod",
		"device_type":        []string{"desktop", "laptop", "tablet"}[r.IntN(3)],
		"connection_type":    []string{"wifi", "ethernet", "cellular"}[r.IntN(3)],
		"experiment_id":      "exp-short-answers",
		"variant":            []string{"A", "B"}[m.count%2],
		"consent":            "redacted",
		"consent_id":         fmt.Sprintf("c-%05d", 10000+r.IntN(180)),
	}
	readable := r.Float64() >= .06
	if !readable {
		base["consent"] = "aggregate"
	}
	m.add(base, began, "exposure", nil)

	at := began.Add(time.Duration(2+r.IntN(9)) * time.Second)
	for i, t := range told.tools {
		m.add(base, at, "tool_step", Event{
			"tool_name": t.name, "result_status": t.status, "total_ms": t.millis,
			"params_hash": fmt.Sprintf("%016x", m.hash(fmt.Sprint("params", i), 8)), "progress_marker": t.detail,
		})
		at = at.Add(time.Duration(t.millis) * time.Millisecond)
	}
	first := 180 + r.IntN(500)
	tokens := 40 + len(told.response)/4
	total := first + tokens*(8+r.IntN(9)) + r.IntN(250)
	answer := m.add(base, at, "assistant_response", Event{
		"request_id": fmt.Sprintf("req_%06x", m.hash("request", 3)),
		"prompt":     told.prompt, "response": told.response, "context": told.context, "artifact": told.artifact,
		"input_tokens": 120 + len(told.prompt)/4 + len(told.context)/4, "cached_input_tokens": 96, "output_tokens": tokens,
		"ttft_ms": first, "latency_ms": total, "total_ms": total, "route": "serve", "outcome": "success",
	})
	m.traffic.Truths = append(m.traffic.Truths, Truth{
		EventID: answer["event_id"].(string), TaskClass: s.taskClass, Model: model, Time: at,
		Label: told.label, Reasons: told.reasons, Correction: told.correction, Readable: readable,
	})
	m.aftermath(base, answer, at.Add(time.Duration(total)*time.Millisecond), told, wrong)
}

// aftermath is what users do: most of those who got a wrong answer do not
// notice, and a few complain about a right one.
func (m *maker) aftermath(base, answer Event, at time.Time, told exchange, wrong bool) {
	r := m.random
	about := Event{"request_id": answer["request_id"], "parent_event_id": answer["event_id"]}
	after := func(seconds int) time.Time { return at.Add(time.Duration(seconds+r.IntN(seconds)) * time.Second) }
	chance := r.Float64()
	share := func(ifWrong, ifRight float64) float64 {
		if wrong {
			return ifWrong
		}
		return ifRight
	}
	down := share(.22, .012)
	fix := down + share(.08, .003)
	edit := fix + share(.08, .012)
	again := edit + share(.06, .012)
	fault := again + share(.02, .006)
	gone := fault + share(.04, .02)
	switch {
	case chance < down:
		m.add(base, after(12), "feedback", merge(about, Event{"explicit_feedback": "down", "reason": orElse(told.reason, "incorrect")}))
	case chance < fix:
		m.add(base, after(30), "correction", merge(about, Event{
			"correction": orElse(told.correction, "Done by hand."), "correction_source": "fix", "correction_delay_ms": 30000 + r.IntN(60000)}))
	case chance < edit:
		m.add(base, after(50), "correction", merge(about, Event{
			"correction": orElse(told.correction, "Reworded by hand."), "correction_source": "edit", "correction_delay_ms": 50000 + r.IntN(60000)}))
	case chance < again:
		later := after(90)
		m.add(base, later, "assistant_response", Event{
			"request_id": fmt.Sprintf("req_%06x", m.hash("again", 3)), "prompt": told.prompt, "response": "I cannot add to the answer above.",
			"ttft_ms": 210, "latency_ms": 420, "total_ms": 420, "input_tokens": 200, "output_tokens": 14, "route": "abstain", "outcome": "success",
			"requery_of": answer["request_id"],
		})
		m.traffic.Truths = append(m.traffic.Truths, Truth{
			EventID: m.traffic.Events[len(m.traffic.Events)-1]["event_id"].(string), TaskClass: base["task_class"].(string),
			Model: base["model_version"].(string), Time: later, Label: "correct", Readable: base["consent"] == "redacted",
		})
	case chance < fault:
		m.add(base, after(2), "error", merge(about, Event{"error_type": "timeout", "error_message": "model answered after the deadline of 20 s"}))
	case chance < gone:
		return // nobody came back: no outcome, which is abandonment after half an hour
	case r.Float64() < .04:
		m.add(base, after(15), "feedback", merge(about, Event{"explicit_feedback": "up"}))
	}
	m.add(base, after(100), "outcome", merge(about, Event{"outcome": "success"}))
}

func (m *maker) version(day int) string {
	name := versions[0].name
	for _, v := range versions {
		// For two days a new version shares the traffic with the old one.
		if day <= v.since-2 || (day <= v.since && m.random.IntN(2) == 0) {
			name = v.name
		}
	}
	return name
}

func (m *maker) add(base Event, at time.Time, kind string, more Event) Event {
	e := merge(base, more)
	e["event_type"] = kind
	e["event_id"] = m.uuid()
	e["event_time"] = at.UTC().Format("2006-01-02T15:04:05.000Z")
	for name, value := range e {
		if value == "" || value == nil {
			delete(e, name)
		}
	}
	if artifact, ok := e["artifact"].(map[string]any); ok && artifact == nil {
		delete(e, "artifact")
	}
	m.traffic.Events = append(m.traffic.Events, e)
	return e
}

// uuid is stable from run to run: the same event of the sample has the same
// identity, so loading it twice within a day adds nothing.
func (m *maker) uuid() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", m.now.Format("2006-01-02"), m.count, len(m.traffic.Events)))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (m *maker) hash(what string, bytes int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", m.now.Format("2006-01-02"), what, m.count))
	return sum[:bytes]
}

// JSONLines writes the events one a line, as a client would send them.
func (t Traffic) JSONLines() ([]byte, error) {
	var lines []byte
	for _, e := range t.Events {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		lines = append(append(lines, line...), '\n')
	}
	return lines, nil
}

// Rate returns the true share of hallucinated answers and their number, for
// one class and version; an empty name takes all.
func (t Traffic) Rate(taskClass, model string) (share float64, answers int) {
	bad := 0
	for _, truth := range t.Truths {
		if (taskClass != "" && truth.TaskClass != taskClass) || (model != "" && truth.Model != model) {
			continue
		}
		answers++
		if truth.Label == "hallucinated" {
			bad++
		}
	}
	if answers == 0 {
		return 0, 0
	}
	return float64(bad) / float64(answers), answers
}

func merge(base, more Event) Event {
	e := make(Event, len(base)+len(more))
	for name, value := range base {
		e[name] = value
	}
	for name, value := range more {
		e[name] = value
	}
	return e
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }
