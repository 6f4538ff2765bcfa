package labeling

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
)

// The published example of Krippendorff's alpha: twelve items, four labelers,
// "." where one did not label.
const published = "1111 333. 121. 2232 11.1 3323 1112 .333 1.11 2322 111. ...3"

// imported brings labels in as a file from elsewhere would come: a response
// for each item, a line for each label.
func imported(t *testing.T, s *Store, labels []elsewhere) {
	t.Helper()
	h := newShelf()
	s.Telemetry = h
	events := map[string]string{}
	var lines []string
	for _, l := range labels {
		if events[l.item] == "" {
			events[l.item] = h.respond("sql_query", "v1", day(3)).EventID.String()
		}
		lines = append(lines, fmt.Sprintf(`{"event_id":%q,"labeler":%q,"label":%q}`, events[l.item], l.labeler, l.label))
	}
	if done := importLines(t, s, lines...); done.Imported != len(labels) {
		t.Fatalf("want %d labels imported, got %+v", len(labels), done)
	}
}

// elsewhere is a label that was given in another tool.
type elsewhere struct{ item, labeler, label string }

func want(t *testing.T, what string, want, got, within float64) {
	t.Helper()
	if math.Abs(want-got) > within || math.IsNaN(got) {
		t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

func TestThePublishedExampleComesOutOfTheProduct(t *testing.T) {
	s := tx(t)
	var labels []elsewhere
	for item, row := range strings.Fields(published) {
		for labeler, c := range row {
			if c != '.' {
				labels = append(labels, elsewhere{fmt.Sprint(item), fmt.Sprintf("labeler %d", labeler+1), Truths[c-'1']})
			}
		}
	}
	imported(t, s, labels)
	report, err := s.Agreement(t.Context(), engineer, AgreementFilter{})
	if err != nil || len(report.Queues) != 1 || len(report.Pairs) != 6 {
		t.Fatalf("want one queue and six pairs, got %+v, %v", report, err)
	}
	queue := report.Queues[0]
	want(t, "alpha", 0.5969498910675382, queue.Nominal.Value, 1e-9)
	want(t, "ordinal alpha", 0.8347348255696713, queue.Ordinal.Value, 1e-9)
	want(t, "lower limit", .326, queue.Nominal.Low, .02)
	want(t, "upper limit", .811, queue.Nominal.High, .02)
	if queue.MayDriveGates() || queue.Labels != 38 || queue.Items != 11 || queue.Labelers != 4 {
		t.Errorf("labels whose alpha may be .33 drive no gate: %+v", queue)
	}
	if again, err := s.Agreement(t.Context(), engineer, AgreementFilter{Queue: "sql_query"}); err != nil || again.Queues[0].Nominal != queue.Nominal {
		t.Errorf("the same labels give the same interval: %+v, %v", again.Queues, err)
	}
	if other, err := s.Agreement(t.Context(), engineer, AgreementFilter{Queue: "elsewhere"}); err != nil || len(other.Queues) != 0 {
		t.Errorf("another queue has no labels: %+v, %v", other, err)
	}
	if _, err := s.Agreement(t.Context(), person(1), AgreementFilter{}); fault.Of(err) != fault.Denied {
		t.Errorf("labelers do not see how others label: %v", err)
	}
	model, err := s.Consensuses(t.Context(), engineer, AgreementFilter{}, stats.DefaultConsensusPrior)
	if err != nil || len(model.Items) != 12 {
		t.Fatal(model, err)
	}
	for k, p := range []float64{0.4863452902653, 0.1886391277531, 0.3250155819816} {
		want(t, "prevalence of "+Truths[k], p, model.Prevalence[k].Value, 1e-8)
	}
	for i, class := range []int{1, 3, 1, 2, 1, 3, 1, 3, 1, 2, 1, 3} {
		if model.Items[i].Label != Truths[class-1] {
			t.Errorf("item %d: want %s, got %s", i+1, Truths[class-1], model.Items[i].Label)
		}
	}
}

// Items that are read again because of what the first label says, and third
// readings because two differed, are no sample of agreement.
func TestAgreementIsMeasuredOnWhatWasDrawn(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1, wanted: 2}, seed{u: .2})
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET second_drawn = wanted = 2, overlap = .1`); err != nil {
		t.Fatal(err)
	}
	said := map[int64][]string{1: {"partially_correct", "hallucinated"}, 2: {"correct", "correct"}, 3: {"correct"}}
	for _, who := range []int64{1, 2, 3} {
		for _, label := range said[who] {
			submit(t, s, who, held(t, s, queue, who), Answer{Label: label})
		}
	}
	model, err := s.Consensuses(t.Context(), engineer, AgreementFilter{}, stats.DefaultConsensusPrior)
	if err != nil || len(model.Items) != 1 || model.Given != 2 {
		t.Errorf("a model of how labelers err is made of the item that two have read, got %+v, %v", model.Items, err)
	}
	list, err := s.rated(t.Context(), AgreementFilter{})
	if err != nil {
		t.Fatal(err)
	}
	pairable := map[int64]int{}
	for _, r := range list {
		pairable[r.ItemID]++
	}
	if len(list) != 3 || len(pairable) != 2 {
		t.Errorf("want two labels of the drawn item and one of the other, got %+v", list)
	}
}

func TestPairsAreNamedToReviewersAndPseudonymousToOthers(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1, wanted: 2})
	if _, err := s.DB.Exec(t.Context(), `
		UPDATE items SET second_drawn = true, overlap = .1;
		INSERT INTO people (id, email, name) OVERRIDING SYSTEM VALUE VALUES (1, 'a@example.org', 'Amal Lindqvist'), (2, 'b@example.org', 'Ravi Amari')`); err != nil {
		t.Fatal(err)
	}
	for _, who := range []int64{1, 2} {
		submit(t, s, who, held(t, s, queue, who), Answer{Label: "correct"})
	}
	for _, c := range []struct {
		actor auth.Actor
		named bool
	}{{reviewer, true}, {engineer, false}} {
		report, err := s.Agreement(t.Context(), c.actor, AgreementFilter{})
		if err != nil || len(report.Pairs) != 1 {
			t.Fatal(report, err)
		}
		if named := report.Pairs[0].OneName == "Amal Lindqvist" && report.Pairs[0].OtherName == "Ravi Amari"; named != c.named {
			t.Errorf("%s reads %q and %q", c.actor.Name, report.Pairs[0].OneName, report.Pairs[0].OtherName)
		}
	}
}

// dataset opens a folder of the data that lies beside the checkout.
func dataset(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data does not lie beside the checkout")
	}
	return filepath.Join(folder, name)
}

func expected(t *testing.T, folder string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func lines[T any](t *testing.T, path string) []T {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var list []T
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var one T
		if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	return list
}

// 999 pairs of answers, judged by three people each. Which answer is better is
// imported as the three labels: what agrees and what does not stays the same.
func TestPandaLMAgreesAsPublished(t *testing.T) {
	folder := dataset(t, "multi-annotator-pandalm")
	var published struct {
		Cohen   map[string]float64 `json:"published_cohen_kappa"`
		Exact   map[string]float64 `json:"derived_cohen_kappa"`
		Derived struct {
			Observed float64 `json:"observed_agreement"`
			Fleiss   float64 `json:"fleiss_kappa"`
			Alpha    float64 `json:"krippendorff_alpha_nominal"`
		}
	}
	expected(t, folder, &published)
	s := tx(t)
	var labels []elsewhere
	for _, l := range lines[struct {
		Item      int
		Annotator string
		Label     int
	}](t, filepath.Join(folder, "labels.jsonl")) {
		labels = append(labels, elsewhere{strconv.Itoa(l.Item), l.Annotator, Truths[l.Label]})
	}
	imported(t, s, labels)
	report, err := s.Agreement(t.Context(), engineer, AgreementFilter{})
	if err != nil || len(report.Queues) != 1 || len(report.Pairs) != 3 {
		t.Fatal(report, err)
	}
	queue := report.Queues[0]
	if queue.Items != 999 || queue.Labels != 2997 || !queue.MayDriveGates() {
		t.Errorf("want 999 items with 2,997 labels that may drive gates, got %+v", queue)
	}
	want(t, "observed agreement", published.Derived.Observed, *queue.Percent, 1e-6)
	want(t, "alpha", published.Derived.Alpha, queue.Nominal.Value, 1e-6)
	want(t, "Fleiss", published.Derived.Fleiss, *queue.Fleiss, 1e-6)
	for _, p := range report.Pairs {
		key := strings.TrimPrefix(p.OneName, "annotator") + "-" + strings.TrimPrefix(p.OtherName, "annotator")
		want(t, "Cohen "+key, published.Exact[key], p.Cohen.Value, 1e-6)
		want(t, "published Cohen "+key, published.Cohen[key], p.Cohen.Value, .005)
	}
}

// 45 patients, five observers, the first of whom read every record three
// times; the four classes of 1979 are imported as the four labels.
func TestThePatientsOf1979HaveTheirPublishedClasses(t *testing.T) {
	folder := dataset(t, "multi-annotator-dawid-skene-1979")
	var published struct {
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
	expected(t, folder, &published)
	s := tx(t)
	var labels []elsewhere
	var patients []string
	for _, l := range lines[struct{ Item, Annotator, Replicate, Label int }](t, filepath.Join(folder, "labels.jsonl")) {
		observer, patient := fmt.Sprintf("observer %d", l.Annotator), strconv.Itoa(l.Item)
		if l.Replicate > 1 {
			observer += fmt.Sprintf(", reading %d", l.Replicate)
		}
		if len(patients) == 0 || patients[len(patients)-1] != patient {
			patients = append(patients, patient)
		}
		labels = append(labels, elsewhere{patient, observer, Labels[l.Label-1]})
	}
	imported(t, s, labels)
	model, err := s.Consensuses(t.Context(), engineer, AgreementFilter{}, stats.ConsensusPrior{})
	if err != nil || len(model.Items) != 45 || len(model.Labelers) != 5 || !model.Converged {
		t.Fatalf("want 45 patients and five observers, got %d and %d, %v", len(model.Items), len(model.Labelers), err)
	}
	want(t, "log-likelihood", published.Derived.LogLikelihood, model.LogLikely, 1e-6)
	at := func(key string) int { n, _ := strconv.Atoi(key); return n - 1 }
	for k, p := range published.Derived.Marginals {
		want(t, "share of class "+k, p, model.Prevalence[at(k)].Value, 1e-6)
	}
	for k, p := range published.Published.Marginals {
		want(t, "published share of class "+k, p, model.Prevalence[at(k)].Value, .006)
	}
	for _, observer := range model.Labelers {
		for class, row := range published.Derived.ErrorRates[strings.TrimPrefix(observer.Name, "observer ")] {
			for said, p := range row {
				want(t, observer.Name+" on "+class+" says "+said, p, observer.Confusion[at(class)][at(said)], 1e-4)
			}
		}
	}
	for i, patient := range patients {
		if class := Labels[published.Derived.Class[patient]-1]; model.Items[i].Label != class {
			t.Errorf("patient %s: want %s, got %s", patient, class, model.Items[i].Label)
		}
	}
}
