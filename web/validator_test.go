package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/labeling"
	"assay/validators"
	"assay/validators/dialect"
	"assay/validators/sandbox"
)

// workshop gives the world validators on a real sandbox.
func workshop(w *world) {
	set, children := validators.Open()
	w.t.Cleanup(children.Close)
	w.stages.Validators = &validators.Store{DB: w.pool, Set: set}
	w.stages.Labeling = &labeling.Store{DB: w.pool}
}

// jammed is a sandbox whose children answer nothing.
type jammed struct{}

func (jammed) Capabilities(context.Context) (sandbox.Capabilities, error) {
	return sandbox.Capabilities{Tier: sandbox.TierDefault, Landlock: 7, Seccomp: true}, nil
}

func (jammed) Run(context.Context, sandbox.Job) (sandbox.Result, error) {
	return sandbox.Result{End: sandbox.Crashed}, nil
}

func formulaStating(stated string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"kind":"formula","formula":"=SUM(A1:A3)","cells":{"A1":1,"A2":2,"A3":3},"stated":%s}`, stated))
}

func (w *world) validate(artifacts ...json.RawMessage) []uuid.UUID {
	w.t.Helper()
	inputs := map[uuid.UUID]validators.Input{}
	var ids []uuid.UUID
	var subjects []validators.Subject
	for _, artifact := range artifacts {
		id := uuid.New()
		ids, inputs[id] = append(ids, id), validators.Input{Artifact: artifact}
		subjects = append(subjects, validators.Subject{EventID: id, SessionID: "s", TaskClass: "spreadsheet_formula", ModelVersion: "m", Kind: "formula"})
	}
	if _, err := w.stages.Validators.Ask(context.Background(), auth.Product(), validators.OnArrival, subjects); err != nil {
		w.t.Fatal(err)
	}
	_, err := w.stages.Validators.Batch(context.Background(), auth.Product(), "formula", func(context.Context, []uuid.UUID) (map[uuid.UUID]validators.Input, error) { return inputs, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

func (b *browser) sendText(path, body string) *answer {
	b.w.t.Helper()
	return b.send("POST", path, strings.NewReader(body), http.Header{"Content-Type": {"application/json"}})
}

func TestOneOutputOneVerdict(t *testing.T) {
	w := newWorld(t, workshop)
	key := w.program(auth.ScopeValidate)
	body := `{"id":"r1","artifact":` + string(formulaStating("7")) + `}`
	var verdict struct {
		ID, Validator, Version, Verdict, Reason, Message, Sandbox string
		InputHash                                                 string `json:"input_hash"`
		Evidence                                                  struct{ Value, Stated float64 }
		Limits                                                    validators.Limits
	}
	key.sendText("/v1/validate", body).want(200).json(&verdict)
	if verdict.ID != "r1" || verdict.Verdict != "fail" || verdict.Reason != "wrong_value" || verdict.Evidence.Value != 6 || verdict.Evidence.Stated != 7 {
		t.Errorf("got %+v", verdict)
	}
	if verdict.Message != "The formula gives 6. The response states 7." || verdict.Limits.WallMS == 0 || !strings.HasPrefix(verdict.InputHash, "sha256:") {
		t.Errorf("got %+v", verdict)
	}
	key.sendText("/v1/validate?validator=formula", body).want(200)
	key.sendText("/v1/validate?validator=tarot", body).want(404)
	key.sendText("/v1/validate", `{"artifact":{"kind":"horoscope"}}`).want(400)
	key.sendText("/v1/validate", `{"artifact":`).want(400)
	w.program(auth.ScopeRead).sendText("/v1/validate", body).want(403)

	w.stages.Validators.Set = validators.NewSet(jammed{})
	key.sendText("/v1/validate", `{"artifact":`+string(formulaStating("8"))+`}`).want(503)
}

func TestAQueryComesWithBothResults(t *testing.T) {
	w := newWorld(t, workshop)
	var verdict struct {
		Verdict, Reason, Message string
		Evidence                 queryEvidence
	}
	w.program(auth.ScopeValidate).sendText("/v1/validate", `{"artifact":{"kind":"sql","dialect":"sqlite","sql":"SELECT nam FROM people","schema":"CREATE TABLE people(name); INSERT INTO people VALUES ('Ada'), (NULL)"},
		"expected":{"rows":[["Ada"],["Ben"]]}}`).want(200).json(&verdict)
	if verdict.Verdict != "fail" || verdict.Reason != "no_such_column" || verdict.Message != "There is no column nam. The nearest real one is name." {
		t.Errorf("got %+v", verdict)
	}
	e := verdict.Evidence
	if e.Repaired != "SELECT name FROM people" || len(e.Got.Rows) != 2 || e.Got.Rows[0][0] != nil || e.Want.Rows[0][0] != "Ben" {
		t.Errorf("want both results with the rows that differ first, got %+v %+v", e.Got, e.Want)
	}
}

func TestTheValidatorsPagesSayWhatIsKnown(t *testing.T) {
	w := newWorld(t, workshop)
	engineer := w.as(auth.Engineer)
	if got := engineer.get("/validators").want(200).text(".head .sub"); got != "No verdict in 24 hours." {
		t.Errorf("before anything: %q", got)
	}
	engineer.get("/validators/formula").want(200)
	engineer.get("/validators/tarot").want(404)
	w.as(auth.Labeler).get("/validators").want(403)

	w.validate(formulaStating("6"), formulaStating("6"), formulaStating("7"), json.RawMessage(`{"kind":"formula","formula":"=WEBSERVICE(\"<b>\")","cells":{}}`))
	page := engineer.get("/validators").want(200)
	if got := page.text(".head .sub"); got != "4 verdicts in 24 hours, 25.0 % inconclusive." {
		t.Errorf("got %q", got)
	}
	for _, want := range []string{"formula", "1.0.0", "serving", "no labels yet", "Sandbox tier: default, Landlock", "none succeeded; children run as", "tier strong (commands beside the shell) is off: no operator has turned it on", "Verdicts alone never set a rate"} {
		if !strings.Contains(page.text("main"), want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	card := engineer.get("/validators/formula").want(200)
	for _, want := range []string{"SUM of three cells", "external reference", "No labels yet", "1 of 4", "Verdict p95", "WEBSERVICE call"} {
		if !strings.Contains(card.text("main"), want) {
			t.Errorf("the card lacks %q", want)
		}
	}

	w.stages.Validators.Set = validators.NewSet(jammed{})
	engineer.post("/validators/self-test", nil).to("/validators")
	page = engineer.get("/validators").want(200)
	if got := page.text(".banner"); !strings.Contains(got, "formula 1.0.0 is suspended since") || !strings.Contains(got, "Canary “SUM of three cells” was answered inconclusive, pass is right.") {
		t.Errorf("who is suspended stands on top: %q", got)
	}
	if !strings.Contains(engineer.get("/").want(200).text("main"), "The validator formula is suspended") {
		t.Error("the overview does not name the suspended validator")
	}
	w.as(auth.Reviewer).post("/validators/self-test", nil).want(403)
}

func TestTheCardSaysWhichEnginesThereAre(t *testing.T) {
	p := buildValidator(validators.Card{Name: "sql", Engines: []dialect.State{
		{Dialect: "clickhouse", Engine: "ClickHouse", Missing: "Run npm ci."}, {Dialect: "postgres", Engine: "PostgreSQL", Held: "own server", Runs: true}, {Dialect: "duckdb", Engine: "DuckDB", Wrong: "one is two"}}}, accord{}, time.Now())
	var page strings.Builder
	if err := p.draw().Render(t.Context(), &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SQLite", "Its statements are inconclusive. Run npm ci.", "It has answered its canaries.", "own server", "It answered the canary “one is two” wrongly."} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the card lacks %q", want)
		}
	}
}

func TestSharesAgainstPeopleHaveIntervals(t *testing.T) {
	for _, c := range []struct {
		e                  stats.Estimate
		estimate, interval string
	}{
		{stats.Estimate{Defined: true, Value: .924, Interval: stats.Interval{Low: .834, High: .967}, Denominator: 66, Numerator: 61}, "92 %", "83 to 97"},
		{stats.Estimate{Interval: stats.Interval{High: 1}}, "", "no labels yet"},
		{stats.Estimate{Defined: true, Value: .5, Interval: stats.Interval{Low: .1, High: .9}, Denominator: 4, Numerator: 2}, "", "no data: 4 labels"},
	} {
		if estimate, interval := shareOf(c.e).words(); estimate != c.estimate || interval != c.interval {
			t.Errorf("%+v: want %q %q, got %q %q", c.e, c.estimate, c.interval, estimate, interval)
		}
	}
}

func TestACellLeadsToItsResponses(t *testing.T) {
	w := newWorld(t, workshop)
	id := w.validate(formulaStating("7"))[0]
	w.exec(`INSERT INTO queues (slug, title, task_class, reasons) VALUES ('q', 'Q', 'spreadsheet_formula', '{other}')`)
	w.exec(`INSERT INTO queue_rules (queue_id, version, author) SELECT id, 1, 'test' FROM queues`)
	w.exec(`INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id, wanted, labeled, taken)
		SELECT q.id, $1, 's', 'spreadsheet_formula', 'm', $2, ($2::timestamptz AT TIME ZONE 'UTC')::date, 'random', 'bottom_k', (SELECT min(id) FROM sampling_salts), 0.1, r.id, 1, 1, 1
		FROM queues q JOIN queue_rules r ON r.queue_id = q.id`, id, w.clock.now().Add(-time.Hour))
	w.exec(`INSERT INTO consensus (item_id, event_id, label, first_reading, method, readings, revision, decided_at) SELECT id, event_id, 'hallucinated', 'hallucinated', 'single', 1, 1, $1 FROM items`, w.clock.now())
	engineer := w.as(auth.Engineer)
	card := engineer.get("/validators/formula").want(200)
	if got := card.text("main"); !strings.Contains(got, "1 label, 30 days") {
		t.Fatalf("got %q", got)
	}
	link := card.attr("table.grid td a", "href")
	if !strings.HasPrefix(link, "/validators/formula/cases?label=hallucinated&verdict=fail&version=") {
		t.Fatalf("got %q", link)
	}
	page := engineer.get(link).want(200)
	if got := page.text("main"); !strings.Contains(got, "The response states 7.") || !strings.Contains(got, "1 response") {
		t.Errorf("got %q", got)
	}
	engineer.get("/validators/formula/cases?verdict=maybe&label=correct").want(400)
}
