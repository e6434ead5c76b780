// Predict with fused.onnx, by the names that the bundle gives: raw pixels in, scores out, no Python anywhere.
//
//   hyrax-run unpack digits.hyrax graphs --inline
//   g++ -std=c++17 predict.cpp -I $ONNXRUNTIME/include -L $ONNXRUNTIME/lib -lonnxruntime -o predict
//   ./predict graphs/fused.onnx pixels.f32        # raw little-endian float32, rows of 8 x 8
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: predict fused.onnx pixels.f32\n";
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  constexpr int64_t height = 8, width = 8;
  const auto rows = static_cast<int64_t>(bytes.size() / (sizeof(float) * height * width));

  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "hyrax");
  Ort::Session session(env, argv[1], Ort::SessionOptions{});
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const std::vector<int64_t> shape{rows, height, width};
  const auto pixels = Ort::Value::CreateTensor<float>(
      memory, reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float), shape.data(), shape.size());

  const char* inputs[] = {"data/image"};   // friendly/field: what manifest.json calls it
  const char* outputs[] = {"output_0"};
  const auto results = session.Run(Ort::RunOptions{}, inputs, &pixels, 1, outputs, 1);

  const auto scored = results[0].GetTensorTypeAndShapeInfo().GetShape();  // {rows, classes}
  const float* scores = results[0].GetTensorData<float>();
  std::cout.precision(9);
  for (int64_t row = 0; row < scored[0]; ++row) {
    for (int64_t one = 0; one < scored[1]; ++one) {
      std::cout << (one ? " " : "") << scores[row * scored[1] + one];
    }
    std::cout << "\n";
  }
}
