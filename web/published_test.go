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

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// published brings labels that were made elsewhere, and published, through the
// product's own import: one JSON object a line under a key that may import.
func published(t *testing.T, folder string, read func(line []byte) (item, labeler, label string)) (*world, string) {
	t.Helper()
	root := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data does not lie beside the checkout")
	}
	file, err := os.Open(filepath.Join(root, folder, "labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	shelf, events := bookshelf{}, map[string]uuid.UUID{}
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	var body bytes.Buffer
	for lines := bufio.NewScanner(file); lines.Scan(); {
		item, labeler, label := read(lines.Bytes())
		id, known := events[item]
		if !known {
			id = uuid.New()
			events[item] = id
			shelf[id] = telemetry.Response{EventID: id, SessionID: "s_" + item, TaskClass: "closed_book_qa", ModelVersion: "m", EffectiveTime: at, EventTime: at,
				Consent: telemetry.ConsentRedacted, HasText: true, Prompt: "Question " + item, Response: "Answer " + item}
		}
		fmt.Fprintf(&body, `{"event_id":%q,"label":%q,"labeler":%q,"labeled_at":%q}`+"\n", id, label, labeler, at.Add(time.Minute).Format(time.RFC3339))
	}
	w := newWorld(t, func(w *world) {
		w.stages.Labeling = &labeling.Store{DB: w.pool, Telemetry: shelf}
	})
	key := w.program(auth.ScopeLabel)
	var done labeling.Imported
	key.send(http.MethodPost, "/v1/labels/import?format=jsonl", &body, http.Header{"Content-Type": {"application/x-ndjson"}}).want(200).json(&done)
	if done.Imported != done.Lines || done.Lines == 0 || len(done.Rejected) != 0 {
		t.Fatalf("want every line imported, got %+v", done)
	}
	return w, filepath.Join(root, folder, "expected.json")
}

// 999 pairs judged by three people each, as PandaLM published them: through the
// import and on the page of agreement.
func TestThePageOfAgreementShowsWhatPandaLMPublished(t *testing.T) {
	truths := []string{"correct", "partially_correct", "hallucinated"}
	w, path := published(t, "multi-annotator-pandalm", func(line []byte) (string, string, string) {
		var l struct {
			Item      int
			Annotator string
			Label     int
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(l.Item), l.Annotator, truths[l.Label]
	})
	text, err := os.ReadFile(path)
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
