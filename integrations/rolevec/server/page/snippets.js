// The requests of this page as code. A request is
// {base, keyed, model, truncate, rows: {texts, role}, columns: {texts, role}}.

/** Quotes for a POSIX shell. */
function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A list of strings, which Python and JavaScript write alike. */
function list(texts) {
  return `[\n${texts.map((text) => `    ${JSON.stringify(text)},\n`).join("")}]`;
}

/** The body of POST /v2/embed for one side. */
export function body(request, side) {
  return {
    model: request.model,
    input_type: side.role,
    embedding_types: ["float"],
    truncate: request.truncate,
    texts: side.texts,
  };
}

function curl(request) {
  const key = request.keyed ? `  -H "Authorization: Bearer $CO_API_KEY" \\\n` : "";
  const call = (side) =>
    `curl ${shell(`${request.base}/v2/embed`)} \\\n${key}` +
    `  -H 'Content-Type: application/json' \\\n` +
    `  -d ${shell(JSON.stringify(body(request, side), null, 2))}\n`;
  return `# Rows\n${call(request.rows)}\n# Columns\n${call(request.columns)}`;
}

function python(request) {
  const key = request.keyed ? `os.environ["CO_API_KEY"]` : `"unused"`;
  return `${request.keyed ? "import os\n\n" : ""}import cohere
import numpy as np

client = cohere.ClientV2(api_key=${key}, base_url=${JSON.stringify(request.base)})


def embed(texts, input_type):
    answer = client.embed(
        model=${JSON.stringify(request.model)},
        texts=texts,
        input_type=input_type,
        embedding_types=["float"],
        truncate=${JSON.stringify(request.truncate)},
    )
    return np.array(answer.embeddings.float_)


rows = ${list(request.rows.texts)}
columns = ${list(request.columns.texts)}

# Every vector has length 1, so the product is the cosine.
similarity = embed(rows, "${request.rows.role}") @ embed(columns, "${request.columns.role}").T
print(similarity.round(2))
`;
}

function langchain(request) {
  const key = request.keyed ? `os.environ["CO_API_KEY"]` : `"unused"`;
  const embed = (name, role) =>
    ({
      search_query: `[embeddings.embed_query(text) for text in ${name}]`,
      search_document: `embeddings.embed_documents(${name})`,
    })[role] ?? `embeddings.embed(${name}, input_type="${role}")`;
  return `${request.keyed ? "import os\n\n" : ""}import numpy as np
from langchain_cohere import CohereEmbeddings

embeddings = CohereEmbeddings(
    model=${JSON.stringify(request.model)},
    cohere_api_key=${key},
    base_url=${JSON.stringify(request.base)},
    truncate=${JSON.stringify(request.truncate)},
)

rows = ${list(request.rows.texts)}
columns = ${list(request.columns.texts)}

row_vectors = ${embed("rows", request.rows.role)}
column_vectors = ${embed("columns", request.columns.role)}
# Every vector has length 1, so the product is the cosine.
similarity = np.array(row_vectors) @ np.array(column_vectors).T
print(similarity.round(2))
`;
}

export const SNIPPETS = {
  curl: { write: curl, needs: "" },
  python: { write: python, needs: "pip install cohere numpy" },
  langchain: { write: langchain, needs: "pip install langchain-cohere numpy" },
};
