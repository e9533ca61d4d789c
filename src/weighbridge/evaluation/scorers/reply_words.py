"""Words by which a reply says which choice it takes, in the languages most used with models."""

NOUNS = (
    "answer", "ans", "choice", "option", "response", "selection", "solution", "letter",
    "conclusion", "antwort", "lösung", "auswahl", "réponse", "reponse", "choix", "respuesta",
    "opción", "opcion", "alternativa", "risposta", "opzione", "scelta", "resposta", "opção",
    "opcao", "antwoord", "odpowiedź", "odpowiedzią", "odpověď", "ответ", "ответом", "вариант",
    "відповідь", "cevap", "yanıt", "svar", "svaret", "vastaus", "đáp án", "câu trả lời",
    "jawaban", "jawabannya", "απάντηση", "válasz", "răspuns", "răspunsul", "final", "guess",
    "correct", "richtig", "korrekt", "correcto", "correcta", "corretto", "correto", "правильно",
)  # fmt: skip
NOUNS_WITHOUT_SPACES = (
    "答案", "选项", "選項", "答え", "正解", "回答", "解答", "정답", "답변", "답", "الإجابة",
    "الاجابة", "الجواب", "התשובה", "उत्तर", "विकल्प", "คำตอบ",
)  # fmt: skip
LINKS = (
    "is", "'s", "would be", "should be", "must be", "has to be", "will be", "to be", "equals",
    "ist", "lautet", "wäre", "est", "serait", "es", "sería", "sera", "è", "é", "seria", "jest",
    "to", "je", "это", "является", "là", "adalah", "este", "είναι", "är", "er", "on", "dır",
    "olur",
)  # fmt: skip
LINKS_WITHOUT_SPACES = (
    ":", "=", "->", "→", "=>", "⇒", "–", "—", "- ", "是", "为", "為", "应为", "選", "选", "は",
    "が", "은", "는", "이", "가", "هو", "هي", "היא", "है", "คือ",
)  # fmt: skip
FILLERS = (
    "the", "an", "option", "choice", "letter", "answer", "number", "definitely", "clearly",
    "therefore", "thus", "most", "likely", "probably", "simply", "indeed", "actually", "only",
    "correct", "right", "best", "one", "la", "le", "l'", "el", "die", "der", "das", "den", "il",
    "lettre", "opción", "opcion", "buchstabe", "variante", "lettera", "letra", "literą", "litera",
    "вариант", "буква", "opção", "alternativa", "opzione", "réponse", "antwort", "respuesta",
    "risposta", "resposta", "câu", "选项", "選項", "项", "(", "[", ":", "=",
)  # fmt: skip
TAKES = (
    "pick", "picked", "choose", "chose", "select", "selected", "go with", "going with", "opt for",
    "settle on", "vote for", "i'd say", "i would say", "i say", "i answer", "my guess is",
    "i guess", "wähle", "nehme", "choisis", "elijo", "escojo", "selecciono", "scelgo", "escolho",
    "kies", "wybieram", "выбираю", "chọn", "memilih", "seçiyorum", "väljer",
)  # fmt: skip
TAKES_WITHOUT_SPACES = (
    "选择", "選擇", "故选", "应选", "選ぶ", "选", "選",
)  # fmt: skip
RIGHT = (
    "correct", "right", "true", "the answer", "the best answer", "the best choice",
    "the best option", "the right answer", "the right choice", "the right option",
    "the right one", "the correct answer", "the correct choice", "the correct option",
    "the correct one", "the only correct answer", "the only correct one", "my answer",
    "my choice", "my final answer", "richtig", "korrekt", "die richtige antwort", "die antwort",
    "correcte", "juste", "la bonne réponse", "la réponse", "correcta", "correcto", "la respuesta",
    "la respuesta correcta", "corretta", "la risposta", "la risposta corretta", "correta",
    "a resposta", "a resposta correta", "juist", "het antwoord", "poprawna", "верно",
    "правильный", "правильно", "верный", "rätt",
)  # fmt: skip
RIGHT_WITHOUT_SPACES = (
    "正确", "正確", "是正确", "是正確", "是对的", "が正解", "が正しい", "は正しい", "を選",
    "를 선택", "을 선택", "가 정답", "이 정답",
    "입니다", "です", "이다", "✓", "✔", "✅",
)  # fmt: skip
HENCE = (
    "so", "therefore", "thus", "hence", "ergo", "it is", "it's", "that is", "that's", "which is",
    "this is", "must be", "i think", "i believe", "final", "probably", "definitely", "clearly",
    "certainly", "surely", "c'est", "es ist", "es la", "i.e.", "namely", "no,", "likely", "daher",
    "also", "donc", "por lo tanto", "por tanto", "quindi", "portanto", "dus", "więc", "значит",
    "corresponds to", "matches", "corresponding to",
)  # fmt: skip
HENCE_WITHOUT_SPACES = (
    "所以", "因此", "→", "=>", "∴", "⇒", "したがって", "따라서",
)  # fmt: skip
REASONS = (
    "because", "since", "as", "for", "due", "given", "weil", "da", "denn", "car", "parce",
    "porque", "ya", "pues", "perché", "pois", "omdat", "ponieważ", "bo", "потому", "так", "çünkü",
    "but", "not", "with", "based", "when",
)  # fmt: skip
IS = (
    "is", "was", "ist", "est", "es", "è", "é", "está", "jest", "to", "är", "er", "это",
    "would be", "must be", "should be", "has to be", "wäre", "seems", "seems to be", "looks",
    "appears to be",
)  # fmt: skip
MENTIONS = (
    "option", "choice", "letter", "answer", "opción", "opção", "opzione", "antwort", "réponse",
    "вариант", "buchstabe", "lettre", "letra", "lettera",
)  # fmt: skip
AND = (
    "and", "or", "und", "oder", "et", "ou", "y", "o", "e", "en", "of", "и", "или", "and/or",
)  # fmt: skip
TAKEN_BACK = (
    "wait", "actually", "correction", "scratch that", "on second thought", "i made a mistake",
    "i made an error", "let me reconsider", "let me re-check", "let me recheck", "no, sorry",
)  # fmt: skip
CORRECTED = (
    "wait", "actually", "correction", "scratch that", "on second thought", "i made a mistake",
    "i made an error", "let me re", "sorry", "however", "but", "instead", "rather", "no,", "hmm",
    "reconsider", "doch nein", "espera", "en fait", "attends",
)  # fmt: skip
FINALLY = (
    "final", "correct", "therefore", "thus", "hence", "so", "conclusion", "in the end", "right",
    "best", "overall", "finally", "richtige", "correcta", "correcte", "corretta", "correta",
)  # fmt: skip
DENIALS = (
    "not", "and not", "but not", "rather than", "instead of", "over", "because not",
    "nicht", "und nicht", "pas", "et pas", "no", "y no", "non", "e non",
)  # fmt: skip
ALONE = ("only", "just", "simply", "alone", "it is", "nur", "seulement", "solo")
NEGATIONS = (
    "not", "never", "cannot", "neither", "nor", "wrong", "incorrect", "false", "except",
    "eliminate", "rule out", "ruled out", "nicht", "kein", "pas", "no", "non", "não", "不", "不是",
    "错", "nie", "не", "avoid", "instead of", "rather than", "distractor",
)  # fmt: skip
