import Foundation
func report(_ text: String) {
  FileHandle.standardError.write((text + "\n").data(using: .utf8)!)
}
