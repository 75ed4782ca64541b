import TideCore
import TideDialects
import TidePolicy

/// From the head to a parsed request: authentication, then the body.
extension Exchange {
  /// Runs what the head alone decides. The stream's consumer is set before.
  func begin(endStream: Bool) {
    isRequestComplete = endStream
    armTimer()
    if let announced = context.request.contentLength, announced > configuration.limits.requestBody {
      return fail(.tooLarge(configuration.limits.requestBody))
    }
    run.begin(route: routeConfiguration.name)
    follow(run.runAuth(), .head)
  }

  /// The client may come in.
  func headIsJudged() {
    switch kind {
    case .models: answerModels()
    case .other: routeUnparsed()
    case .chat, .completion, .embedding, .tokenCount: prepareRequestBody()
    }
  }

  func downstreamDidSend(_ bytes: UnsafeRawBufferPointer) {
    guard phase.rawValue < Phase.answered.rawValue else {
      return downstream.returnCredit(bytes.count)
    }
    lastActivity = worker.io.now
    if kind.readsBody {
      guard phase == .receiving || phase == .waiting else { return }
      requestBody.append(contentsOf: bytes)
      // Assembly: what must be whole before it is judged refills its window while it collects; not before the client may come in.
      if phase == .receiving { downstream.returnCredit(bytes.count) }
      if requestBody.count > configuration.limits.requestBody { fail(.tooLarge(configuration.limits.requestBody)) }
    } else {
      // Relayed as it comes, and bounded like a body that is collected.
      context.requestSize &+= bytes.count
      if context.requestSize > configuration.limits.requestBody {
        return fail(.tooLarge(configuration.limits.requestBody))
      }
      if let upstream {
        isUploadStarted = true
        upstream.output.append(bytes)
        upstream.outputChanged()
      } else {
        pendingUpload.append(bytes)
      }
    }
  }

  func downstreamDidEnd() {
    isRequestComplete = true
    guard phase.rawValue < Phase.answered.rawValue else { return }
    if kind.readsBody {
      if phase == .receiving { requestIsWhole() }
    } else if let upstream {
      upstream.end()
    }
  }

  func requestIsWhole() {
    guard requestIsDecoded() else { return }
    context.requestSize = requestBody.count
    if kind == .chat || kind == .tokenCount {
      switch ChatRequest.parse(requestBody, dialect) {
      case .failure(let problem): return fail(problem)
      case .success(let request):
        context.chat = request
        context.model = request.model
        context.isStreaming = request.stream && kind == .chat
        clientWantsUsage = request.includeUsage
      }
    } else {
      switch RequestEnvelope.parse(requestBody) {
      case .failure(let problem): return fail(problem)
      case .success(let envelope):
        context.model = envelope.model
        context.isStreaming = envelope.stream
      }
    }
    guard let model = context.model, !model.isEmpty else { return fail(.missingModel) }
    guard
      let index = generation.generation.routes.firstMatch(
        context.request, path: path.path, host: GatewayWorker.hostName(context.request.authority), model: model,
        headMatch: route)
    else { return fail(.unknownModel(model)) }
    if index != route {
      // The route that the model fixes may authenticate differently from the one the head suggested.
      route = index
      context.route.name = routeConfiguration.name
      run.begin(route: routeConfiguration.name)
      return pendingAnswer == nil ? follow(run.runAuth(), .route) : routeIsFixed()
    }
    routeIsFixed()
  }

  /// The model has fixed the route, and the client may use it.
  func routeIsFixed() {
    run.fixBindings()
    if kind == .chat { lanes = run.lanes }
    if kind != .chat, kind.answersText, run.seesAnswerText, routeConfiguration.unparsed == .deny {
      return fail(
        LocalFailure(
          404, "not_supported",
          "Policies of this route must see the text of answers, and this gateway does not parse \(path.path); `unparsed: relay` lets it pass."
        ))
    }
    if let answer = pendingAnswer {
      pendingAnswer = nil
      return finish(with: .respond(answer))
    }
    if run.mayReadPrompt { context.chat?.readMessages() }
    follow(run.runRequest(), .request)
  }

  /// Requests that the gateway does not parse: whole policies that need the text must not be passed by.
  private func routeUnparsed() {
    run.fixBindings()
    if run.seesText, routeConfiguration.unparsed == .deny { return fail(.notFound) }
    follow(run.seesText ? run.runRequest() : .proceed, .unparsed)
  }

  func relayUnparsed() {
    switch routeConfiguration.cluster {
    case .cluster(let name): targets = [ModelTable.Target(cluster: name)]
    case .byModel:
      guard let name = routeConfiguration.defaultCluster else { return fail(.notFound) }
      targets = [ModelTable.Target(cluster: name)]
    }
    startAttempt()
  }
}
