// Answers with the word that it was given, and prints it when it begins.
const http = require("node:http");

const word = process.env.ECHO_WORD;
console.log(`the word is ${word}`);
http.createServer((_, response) => response.end(word)).listen(7272, "127.0.0.1");
