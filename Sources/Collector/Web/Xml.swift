// Xml: elements as text, for the forms of other systems.
//
//     let text = Xml.declaration + Xml.element("pick", content, [("publicID", name)])

enum Xml {
  static let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

  /// `content`: elements, or a text that is escaped.
  static func element(_ name: String, _ content: String, _ attributes: [(String, String)] = [])
    -> String
  {
    let all = attributes.map { " \($0.0)=\"\(escaped($0.1))\"" }.joined()
    return content.isEmpty ? "<\(name)\(all)/>" : "<\(name)\(all)>\(content)</\(name)>"
  }

  /// A number, as QuakeML and SeisComP have what is measured.
  static func quantity(_ name: String, _ value: String, uncertainty: String? = nil) -> String {
    element(
      name, element("value", value) + (uncertainty.map { element("uncertainty", $0) } ?? ""))
  }

  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
