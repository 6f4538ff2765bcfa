package labeling

import "testing"

func TestTheLanguageOfATextIsRecognisedOrLeftOpen(t *testing.T) {
	for text, want := range map[string]string{
		"The total of the second column is not what the question asked for.":               "en",
		"Die Summe der zweiten Spalte ist nicht das, was in der Frage verlangt wurde.":     "de",
		"La suma de la segunda columna no es lo que se pide en la pregunta.":               "es",
		"La somme de la deuxième colonne n’est pas ce qui est demandé dans la question.":   "fr",
		"La somma della seconda colonna non è quella che si chiede nella domanda.":         "it",
		"A soma da segunda coluna não é o que se pede na pergunta, mas está em uma linha.": "pt",
		"De som van de tweede kolom is niet wat er in de vraag wordt gevraagd.":            "nl",
		"Suma drugiej kolumny nie jest tym, o co pytano, ale to może być dla nas ważne.":   "pl",
		"Summan av den andra kolumnen är inte det som frågan gäller, och det är ett fel.":  "sv",
		"Toisen sarakkeen summa ei ole se, mitä kysyttiin, mutta se on oikein ja selvä.":   "fi",
		"İkinci sütunun toplamı bu değil, daha çok bir tahmin gibi ve olarak yazılmış.":    "tr",
		"Сумма второго столбца не равна тому, что спрашивали, это ошибка.":                 "ru",
		"Сума другого стовпця не дорівнює тому, про що запитували, це її помилка і є.":     "uk",
		"二番目の列の合計は質問されたものではありません。":                                                         "ja",
		"第二列的总和不是问题所要求的。":                                                                  "zh",
		"두 번째 열의 합계는 질문에서 요구한 것이 아닙니다.":                                                    "ko",
		"Το άθροισμα της δεύτερης στήλης δεν είναι αυτό που ζητήθηκε.":                     "el",
		"=SUMIFS(B2:B9, A2:A9, \"north\")":                                                 "",
		"SELECT region, sum(amount) FROM orders GROUP BY region":                           "",
		"42":                 "",
		"":                   "",
		"Delivered, thanks.": "",
		"def total(rows): return sum(r.amount for r in rows)": "",
	} {
		if got := LanguageOf(text); got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

func TestAResponseThatSaysNothingOfItsLanguageHasThatOfItsQuestion(t *testing.T) {
	s := Snapshot{Prompt: "Wie lautet die Formel für die Summe, wenn die Zelle leer ist?", Response: "=SUM(A1:A9)"}
	if got := languageFor(s); got != "de" {
		t.Errorf("want de, got %q", got)
	}
}
