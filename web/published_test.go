package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// published brings labels that were made elsewhere, and published, through the
// product's own import, and returns the folder they lie in.
func published(t *testing.T, name string, read func(line []byte) foreign) (*world, string) {
	t.Helper()
	root := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data does not lie beside the checkout")
	}
	folder := filepath.Join(root, name)
	file, err := os.Open(filepath.Join(folder, "labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var labels []foreign
	for lines := bufio.NewScanner(file); lines.Scan(); {
		labels = append(labels, read(lines.Bytes()))
	}
	return importedWorld(t, labels), folder
}

// foreign is what somebody elsewhere said of an item.
type foreign struct{ item, labeler, label string }

// importedWorld is a product that knows the labels through its own import: one
// JSON object a line under a key that may import.
func importedWorld(t *testing.T, labels []foreign) *world {
	t.Helper()
	shelf, events := bookshelf{}, map[string]uuid.UUID{}
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	var body bytes.Buffer
	for _, l := range labels {
		id, known := events[l.item]
		if !known {
			id = uuid.New()
			events[l.item] = id
			shelf[id] = telemetry.Response{EventID: id, SessionID: "s_" + l.item, TaskClass: "closed_book_qa", ModelVersion: "m", EffectiveTime: at, EventTime: at,
				Consent: telemetry.ConsentRedacted, HasText: true, Prompt: "Question " + l.item, Response: "Answer " + l.item}
		}
		fmt.Fprintf(&body, `{"event_id":%q,"label":%q,"labeler":%q,"labeled_at":%q}`+"\n", id, l.label, l.labeler, at.Add(time.Minute).Format(time.RFC3339))
	}
	w := newWorld(t, func(w *world) {
		w.stages.Labeling = &labeling.Store{DB: w.pool, Telemetry: shelf}
	})
	key := w.program(auth.ScopeLabel)
	var done labeling.Imported
	key.send(http.MethodPost, "/v1/labels/import?format=jsonl", &body, http.Header{"Content-Type": {"application/x-ndjson"}}).want(200).json(&done)
	if done.Imported != len(labels) || len(done.Rejected) != 0 {
		t.Fatalf("want every line imported, got %+v", done)
	}
	return w
}

// rows reads the tables that match a selector: the words of each cell, by the
// words of the first.
func (a *answer) rows(selector string) map[string][]string {
	a.t.Helper()
	rows := map[string][]string{}
	for _, tr := range a.find(selector + " tbody tr") {
		var cells []string
		for cell := tr.FirstChild; cell != nil; cell = cell.NextSibling {
			if cell.Type == html.ElementNode {
				cells = append(cells, words(cell))
			}
		}
		rows[cells[0]] = cells
	}
	return rows
}

// panel is the selector of the panel with a title.
func panel(title string) string { return fmt.Sprintf("section.panel:has(h2:contains(%q))", title) }

// 999 pairs judged by three people each, as PandaLM published them: through the
// import and on the page of agreement.
func TestThePageOfAgreementShowsWhatPandaLMPublished(t *testing.T) {
	truths := []string{"correct", "partially_correct", "hallucinated"}
	w, folder := published(t, "multi-annotator-pandalm", func(line []byte) foreign {
		var l struct {
			Item      int
			Annotator string
			Label     int
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		return foreign{fmt.Sprint(l.Item), l.Annotator, truths[l.Label]}
	})
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Derived struct {
			Observed float64 `json:"observed_agreement"`
			Alpha    float64 `json:"krippendorff_alpha_nominal"`
			Fleiss   float64 `json:"fleiss_kappa"`
		}
		Cohen map[string]float64 `json:"derived_cohen_kappa"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	var api struct {
		Queues []struct {
			Items   int
			Percent float64
			Fleiss  float64
			Alpha   struct{ Value float64 }
		}
	}
	w.program(auth.ScopeRead).get("/v1/agreement").want(200).json(&api)
	if len(api.Queues) != 1 || api.Queues[0].Items != 999 {
		t.Fatalf("want one queue of 999 items, got %+v", api)
	}
	for what, two := range map[string][2]float64{
		"observed agreement": {want.Derived.Observed, api.Queues[0].Percent}, "alpha": {want.Derived.Alpha, api.Queues[0].Alpha.Value}, "Fleiss": {want.Derived.Fleiss, api.Queues[0].Fleiss},
	} {
		if math.Abs(two[0]-two[1]) > 1e-6 {
			t.Errorf("%s: want %v, got %v", what, two[0], two[1])
		}
	}
	page := w.as(auth.Engineer).get("/agreement").want(200).text("main")
	for what, figure := range map[string]string{
		"items": "999", "alpha": fmt.Sprintf(" %.2f ", want.Derived.Alpha), "Fleiss": fmt.Sprintf(" %.2f ", want.Derived.Fleiss),
		"observed agreement": fmt.Sprintf("%.0f %%", 100*want.Derived.Observed),
	} {
		if !strings.Contains(page, figure) && !strings.Contains(page, strings.ReplaceAll(figure, " ", "\u00a0")) {
			t.Errorf("the page does not show %s of %s: %s", what, figure, clip(page, 900))
		}
	}
	for pair, kappa := range want.Cohen {
		if !strings.Contains(page, fmt.Sprintf(" %.2f ", kappa)) {
			t.Errorf("the page does not show Cohen's kappa of %s, %.2f", pair, kappa)
		}
	}
}

// 45 patients and five observers, the first of whom read every record three
// times: the class shares, the errors and the classes of Dawid and Skene (1979),
// through the import and on the page of the consensus, from no prior as theirs.
func TestThePageOfConsensusShowsWhatDawidAndSkenePublished(t *testing.T) {
	w, folder := published(t, "multi-annotator-dawid-skene-1979", func(line []byte) foreign {
		var l struct{ Item, Annotator, Replicate, Label int }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		observer := fmt.Sprintf("observer %d", l.Annotator)
		if l.Replicate > 1 {
			observer += fmt.Sprintf(", reading %d", l.Replicate)
		}
		return foreign{fmt.Sprint(l.Item), observer, labeling.Labels[l.Label-1]}
	})
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Published struct {
			Marginals map[string]float64 `json:"class_marginals"`
		}
		Derived struct {
			LogLikelihood float64                                  `json:"log_likelihood"`
			Marginals     map[string]float64                       `json:"class_marginals"`
			ErrorRates    map[string]map[string]map[string]float64 `json:"error_rates"`
			Class         map[string]int                           `json:"posterior_class"`
		}
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	engineer := w.as(auth.Engineer)
	page := engineer.get("/consensus?prior=none").want(200)
	page.says("main", "45", "315 labels of 5 labelers", fmt.Sprintf("log-likelihood −%.2f", -want.Derived.LogLikelihood), "the labels alone speak")
	class := func(key string) string { return strings.ReplaceAll(labeling.Labels[int(key[0]-'1')], "_", " ") }
	shares := page.rows(panel("Share of each label"))
	for key, share := range want.Derived.Marginals {
		row := shares[capital(class(key))]
		if len(row) == 0 || row[1] != fmt.Sprintf("%.1f %%", 100*share) {
			t.Errorf("share of class %s: want %.1f %%, got %q", key, 100*share, row)
			continue
		}
		var low, high, shown float64
		fmt.Sscanf(row[1], "%f", &shown)
		if n, _ := fmt.Sscanf(strings.NewReplacer("–", " ", "to", " ", "%", " ").Replace(row[2]), "%f %f", &low, &high); n != 2 || low >= shown || high <= shown || high-low > 35 {
			t.Errorf("share of class %s has an interval around it, got %q", key, row[2])
		}
		if math.Abs(shown-100*want.Published.Marginals[key]) > .6 {
			t.Errorf("share of class %s: published %.0f %%, shown %s", key, 100*want.Published.Marginals[key], row[1])
		}
	}
	for observer, classes := range want.Derived.ErrorRates {
		errors := page.rows(panel("observer " + observer))
		for right, said := range classes {
			for label, share := range said {
				got := errors[class(right)][1+int(label[0]-'1')]
				var shown float64
				if fmt.Sscanf(got, "%f", &shown); math.Abs(shown-100*share) > .6 {
					t.Errorf("observer %s says %s where %s is right: want %.0f %%, got %q", observer, class(label), class(right), 100*share, got)
				}
			}
		}
	}
	items := 0
	for key := range want.Derived.Marginals {
		listed := engineer.get("/consensus?prior=none&label=" + labeling.Labels[int(key[0]-'1')]).want(200).rows("#items")
		for patient, row := range listed {
			items++
			if n := strings.TrimPrefix(patient, "Question "); want.Derived.Class[n] != int(key[0]-'0') {
				t.Errorf("patient %s is of class %d, and listed under %s: %q", n, want.Derived.Class[n], class(key), row)
			}
		}
	}
	if items != 45 {
		t.Errorf("want each of 45 patients under its class, got %d", items)
	}
	if prior := engineer.get("/consensus").want(200); prior.rows(panel("Share of each label"))["Correct"][1] == shares["Correct"][1] || !strings.Contains(prior.text("main"), "2 : 0.25") {
		t.Error("the usual prior moves the shares, and the page says which it is")
	}
}

// The published example of Krippendorff, small enough to be here: what the model
// makes of it is on the page, with the session behind each item.
func TestThePageOfConsensusShowsSharesErrorsAndSessions(t *testing.T) {
	var labels []foreign
	for item, row := range strings.Fields("1111 333. 121. 2232 11.1 3323 1112 .333 1.11 2322 111. ...3") {
		for labeler, c := range row {
			if c != '.' {
				labels = append(labels, foreign{fmt.Sprint(item + 1), fmt.Sprintf("labeler %d%s", labeler+1, nasty), labeling.Truths[c-'1']})
			}
		}
	}
	w := importedWorld(t, labels)
	engineer := w.as(auth.Engineer)
	page := engineer.get("/consensus").want(200).harmless()
	page.says("main", "overlap too little", "2 : 0.25", "200 draws of the items, seed")
	shares := page.rows(panel("Share of each label"))
	for label, share := range map[string]string{"Correct": "48.6 %", "Partially correct": "18.9 %", "Hallucinated": "32.5 %"} {
		if row := shares[label]; len(row) < 6 || row[1] != share || !strings.Contains(row[2], " to ") {
			t.Errorf("%s: want %s with an interval, got %q", label, share, row)
		}
	}
	if row := page.rows(panel("labeler 4"))["partially correct"]; len(row) < 4 || row[1] != "6 %" || row[2] != "88 %" || row[3] != "6 %" {
		t.Errorf("labeler 4 where partially correct is right: got %q", row)
	}
	listed := engineer.get("/consensus?label=partially_correct").want(200)
	items := listed.rows("#items")
	if len(items) != 2 || len(items["Question 4"]) == 0 || items["Question 4"][1] != "3 partially correct, 1 hallucinated" || items["Question 4"][3] != "99.8 %" {
		t.Errorf("want items 4 and 10, got %q", items)
	}
	engineer.get(listed.attr("#items tbody a", "href")) // a session of telemetry that this test has none of
	if href := listed.attr("#items tbody a", "href"); !strings.HasPrefix(href, "/sessions/s_") {
		t.Errorf("an item leads to its session, got %s", href)
	}
	w.as(auth.Labeler).get("/consensus").want(http.StatusForbidden)
	engineer.get("/consensus?prior=flat").want(http.StatusBadRequest)
	engineer.get("/consensus?queue=none").want(200).says("main", "Nothing was read twice")
	engineer.get("/consensus?from=100000").want(200)

	var api struct {
		Labels []string
		Shares []struct {
			Value    float64
			Interval []float64
		}
		Items []struct {
			SessionID string    `json:"session_id"`
			Posterior []float64 `json:"posterior"`
		}
		Identifiable bool
	}
	w.program(auth.ScopeRead).get("/v1/consensus?from=2").want(200).json(&api)
	if math.Abs(api.Shares[1].Value-0.1886391277531) > 1e-8 || len(api.Shares[1].Interval) != 2 || len(api.Items) != 10 || api.Identifiable {
		t.Errorf("got %+v", api)
	}
}

// A reviewer may be asked to label: what they may yet label is not among the
// items, and of the rest it is known that they have read it.
func TestTheConsensusKeepsReviewersBlind(t *testing.T) {
	w, _, _ := readTwice(t, 12)
	reviewer := w.as(auth.Reviewer)
	if n := len(reviewer.get("/consensus").want(200).rows("#items")); n != 11 {
		t.Fatalf("one of 12 waits for a third labeler: want 11 items, got %d", n)
	}
	if n := w.count(`SELECT count(*) FROM labels_read`); n != 11 {
		t.Errorf("a reviewer has read 11 items, and %d are known", n)
	}
	w.exec(`UPDATE items SET wanted = 3, done_at = NULL WHERE id IN (SELECT id FROM items ORDER BY id LIMIT 5)`)
	page := reviewer.get("/consensus").want(200)
	if n := len(page.rows("#items")); n != 6 {
		t.Errorf("five more want another labeler: want 6 items, got %d", n)
	}
	page.says("main", "6 items you may yet label not shown")
	if n := len(w.as(auth.Engineer).get("/consensus").want(200).rows("#items")); n != 12 {
		t.Errorf("an engineer labels nothing and sees all, got %d", n)
	}
}
