// The reader of XML: what a document says, and what none is.

import Testing

@testable import Tools

private struct XmlWords: XmlFollower {
  var words: [String] = []

  mutating func begin(_ element: String, _ attributes: [String: String], line: Int) {
    let sorted = attributes.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
    words.append("<\(element)\(sorted.joined())> \(line)")
  }
  mutating func characters(_ text: String) { words.append(text) }
  mutating func end(line: Int) { words.append("end \(line)") }
}

@Suite struct XmlReaderTests {
  private func told(_ bytes: [UInt8]) throws -> [String] {
    var told = XmlWords()
    var reader = try XmlReader(bytes)
    try reader.read(into: &told)
    return told.words
  }

  private func told(_ text: String) throws -> [String] { try told(Array(text.utf8)) }

  private func refusal(_ text: String) -> String {
    do { return "accepted: \(try told(text))" } catch { return "\(error)" }
  }

  @Test func everythingThatADocumentHas() throws {
    let text = """
      <?xml version="1.0"?>
      <!-- a <comment> -->
      <a x='1 &lt; 2' y="&#228;&#x41;">one &amp; <b/>
      <![CDATA[<two> &amp;]]></a >
      <?end?>
      """
    #expect(
      try told(text) == [
        "<a x=1 < 2 y=\u{E4}A> 3", "one & ", "<b> 3", "end 3", "\n", "<two> &amp;", "end 4",
      ])
  }

  @Test func latin1IsReadWhereItIsDeclared() throws {
    let head = Array("<?xml version='1.0' encoding='ISO-8859-1'?><a>".utf8)
    #expect(try told(head + [0xE4] + Array("</a>".utf8))[1] == "\u{E4}")
    #expect(try told(Array("<a>".utf8) + [0xE4] + Array("</a>".utf8))[1] == "\u{FFFD}")
  }

  @Test(arguments: [
    ("", "has no element"), ("<!-- -->", "has no element"), ("<a", "has no element"),
    ("<a><b></b>", "ends before its last element does: it is truncated"),
    ("<a><b", "ends before its last element"), ("<a><!-- ", "ends before its last element"),
    ("<a>\n<b></a>", "line 2: has </a> where </b> belongs"),
    ("<a></a></b>", "line 1: has </b> where the end belongs"),
    ("<a/><b/>", "line 1: has a second outermost element"), ("<a/>x", "text outside all elements"),
    ("x<a/>", "text outside all elements"), ("<a x=1/>", "x without quotes"),
    ("<a x/>", "x without ="), ("<a x=''y=''/>", "no blank before an attribute of a"),
    ("<a x='' x=''/>", "the attribute x twice"), ("<a x='<'/>", "< in the value of x"),
    ("<a>1 < 2</a>", "no name where one belongs"), ("<1/>", "no name where one belongs"),
    ("<a>&b;</a>", "begins none of &amp;"), ("<a>&#0;</a>", "begins none of"),
    ("<a>&#xD800;</a>", "begins none of"), ("<a>& </a>", "begins none of"),
    ("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "line 1: has a document type"),
    ("<a><!ELEMENT b></a>", "has a document type or declaration"),
    ("<a>\u{0}</a>", "has bytes of 0, as UTF-16"),
    ("<?xml encoding='UTF-7'?><a/>", "is encoded as UTF-7: it must be UTF-8 or ISO-8859-1"),
  ])
  func whatIsNone(_ text: String, _ phrase: String) {
    let sentence = refusal(text)
    #expect(sentence.contains(phrase), "\(sentence)")
  }

  @Test func depthIsBounded() {
    let deep = String(repeating: "<a>", count: 350_000)
    #expect(refusal(deep).hasPrefix("line 1: has elements more than 64 deep"))
    let most = String(repeating: "<a>", count: 64) + String(repeating: "</a>", count: 64)
    #expect(refusal(most).hasPrefix("accepted"))
  }
}
