package stats

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
)

// dataset opens a folder of the shared data beside the checkout.
func dataset(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data does not lie beside the checkout")
	}
	return filepath.Join(folder, name)
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readLines[T any](t *testing.T, path string) []T {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []T
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestPatientsOf1979(t *testing.T) {
	folder := dataset(t, "multi-annotator-dawid-skene-1979")
	type row struct{ Item, Annotator, Label int }
	var ratings []Rating
	for _, r := range readLines[row](t, filepath.Join(folder, "labels.jsonl")) {
		ratings = append(ratings, Rating{int64(r.Item), int64(r.Annotator), r.Label - 1})
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
			Max           map[string]float64                       `json:"posterior_max"`
		}
	}
	readJSON(t, filepath.Join(folder, "expected.json"), &want)
	got := must(DawidSkene(ratings, 4, ConsensusPrior{}))
	if len(got.Items) != 45 || len(want.Derived.Class) != 45 || !got.Converged {
		t.Fatalf("want 45 patients, got %d of %d expected, converged %v", len(got.Items), len(want.Derived.Class), got.Converged)
	}
	at := func(key string) int {
		n, err := strconv.Atoi(key)
		if err != nil {
			t.Fatal(err)
		}
		return n - 1
	}
	digits := func(what string, want, got float64, decimals int) {
		t.Helper()
		if math.Abs(want-got) > 0.6*math.Pow10(-decimals) {
			t.Errorf("%s: want %g, got %g", what, want, got)
		}
	}
	digits("log-likelihood", want.Derived.LogLikelihood, got.LogLikelihood, 6)
	for k, p := range want.Derived.Marginals {
		digits("marginal "+k, p, got.Prevalence[at(k)], 6)
	}
	for k, p := range want.Published.Marginals {
		digits("published marginal "+k, p, got.Prevalence[at(k)], 2)
	}
	for labeler, matrix := range want.Derived.ErrorRates {
		for class, row := range matrix {
			for said, p := range row {
				digits(fmt.Sprintf("labeler %s, class %s, said %s", labeler, class, said), p, got.Confusion[at(labeler)][at(class)][at(said)], 4)
			}
		}
	}
	for i, item := range got.Items {
		class, p := got.Class(i)
		key := fmt.Sprint(item)
		if class+1 != want.Derived.Class[key] {
			t.Errorf("patient %s: want class %d, got %d", key, want.Derived.Class[key], class+1)
		}
		digits("posterior of patient "+key, want.Derived.Max[key], p, 4)
	}
}

func TestPairwiseJudgementsOfPandaLM(t *testing.T) {
	folder := dataset(t, "multi-annotator-pandalm")
	type row struct {
		Item      int
		Annotator string
		Label     int
	}
	var ratings []Rating
	for _, r := range readLines[row](t, filepath.Join(folder, "labels.jsonl")) {
		labeler, err := strconv.Atoi(strings.TrimPrefix(r.Annotator, "annotator"))
		if err != nil {
			t.Fatal(err)
		}
		ratings = append(ratings, Rating{int64(r.Item), int64(labeler), r.Label})
	}
	var want struct {
		Published map[string]float64 `json:"published_cohen_kappa"`
		Cohen     map[string]float64 `json:"derived_cohen_kappa"`
		Derived   struct {
			Items, Ratings int
			Observed       float64 `json:"observed_agreement"`
			Fleiss         float64 `json:"fleiss_kappa"`
			Alpha          float64 `json:"krippendorff_alpha_nominal"`
		}
	}
	readJSON(t, filepath.Join(folder, "expected.json"), &want)
	agreement := must(Agree(ratings, 3))
	if agreement.Items != want.Derived.Items || agreement.Values != want.Derived.Ratings || len(want.Cohen) != 3 {
		t.Fatalf("want %d items with %d labels, got %d with %d", want.Derived.Items, want.Derived.Ratings, agreement.Items, agreement.Values)
	}
	percent, _ := agreement.Percent()
	within(t, "observed agreement", want.Derived.Observed, percent, 1e-6)
	alpha, _ := agreement.Alpha(Nominal)
	within(t, "alpha", want.Derived.Alpha, alpha, 1e-6)
	within(t, "Fleiss", want.Derived.Fleiss, must(Fleiss(must(CountsPerItem(ratings, 3)))).Value, 1e-6)
	for pair, kappa := range want.Cohen {
		var one, other int64
		if _, err := fmt.Sscanf(pair, "%d-%d", &one, &other); err != nil {
			t.Fatal(err)
		}
		got := must(Cohen(must(CrossTable(ratings, 3, one, other)), Unweighted)).Value
		within(t, "Cohen "+pair, kappa, got, 1e-6)
		within(t, "published Cohen "+pair, want.Published[pair], got, .005)
	}
	if estimate := must(EstimateAlpha(ratings, 3, Nominal, 500, 1, .95)); !estimate.Passed() {
		t.Errorf("these labels may drive gates: %+v", estimate)
	}
}
