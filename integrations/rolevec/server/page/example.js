// Questions and sentences, most in languages of their own; the answers stand in the same order.
export const rows = [
  "What is the best way to store bread?",
  "Warum schmeckt das Meer salzig?",
  "¿Cuándo florecen los cerezos?",
  "Как научиться играть на гитаре?",
  "كيف أقلل من فاتورة الكهرباء؟",
  "为什么猫在夜里很活跃？",
  "बच्चे को बुखार हो तो क्या करें?",
  "איך מגיעים מתחנת הרכבת לשדה התעופה?",
];

export const columns = [
  "Хлеб лучше хранить в полотняном мешке, а не в холодильнике.",
  "Rivers wash salt out of the rocks and carry it into the sea.",
  "桜の花は三月の終わりごろに咲き始めます。",
  "Pour apprendre la guitare, jouez trois accords chaque jour.",
  "Wer das Licht ausschaltet, zahlt weniger für Strom.",
  "القطط تصطاد في الليل وتنام في النهار.",
  "Si el niño tiene fiebre, dele agua y llame al médico.",
  "A bus runs from the railway station to the airport every hour.",
];
